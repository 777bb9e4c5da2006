//! The authority of a URI, which a Host header field holds: host and port (RFC 9110, section 7.2).

/// Returns `true` if `authority` is a host with or without a port, judged by its characters. A request with any other Host must be answered
/// with 400 (RFC 9112, section 3.2), and so must a target without a host (RFC 9110, section 4.2).
///
/// A user name before the host is refused: it has no meaning in HTTP and is used for phishing (RFC 9110, section 4.2.4).
pub(crate) fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = match authority {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
            (&rest[..end], &rest[end + 1..])
        }
        _ => authority.split_at(authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len())),
    };
    let is_literal = authority.starts_with(b"[");
    let is_host_byte = |&byte: &u8| is_name_byte(byte) || (is_literal && byte == b':');
    !host.is_empty() && host.iter().all(is_host_byte) && is_port(port)
}

/// Returns `true` for unreserved characters, sub-delimiters and the per cent sign of encoded characters (RFC 3986, section 3.2.2).
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte)
}

/// Returns `true` if `port` is empty, or a colon with any number of digits after it, including none.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_a_port_are_authorities() {
        for authority in ["h", "example.com:80", "h:", "127.0.0.1", "[::1]", "[::1]:8080", "a_b-c", "%41"] {
            assert!(is_authority(authority.as_bytes()), "{authority}");
        }
    }

    #[test]
    fn what_names_no_host_is_none() {
        for authority in [
            "", ":80", "a b", "a/b", "h:8o", "h:80:80", "u@h", "[::1", "[]", "[::1]80", "::1", "a,\"b\"",
            "ä", "a\tb",
        ] {
            assert!(!is_authority(authority.as_bytes()), "{authority}");
        }
    }
}
