//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use super::handshake::{is_token, members};

/// Whether `value` is `extension-list`: at least one extension, each a token with parameters behind semicolons.
///
/// Commas and semicolons can separate before quotes are looked at: a quoted value must be a token once it is unquoted, so
/// there is no legal one with either inside.
pub(super) fn is_extension_list(value: &[u8]) -> bool {
    let mut members = members(value).peekable();
    members.peek().is_some() && members.all(is_extension)
}

fn is_extension(extension: &[u8]) -> bool {
    let mut parts = extension.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    parts.next().is_some_and(is_token) && parts.all(is_parameter)
}

fn is_parameter(parameter: &[u8]) -> bool {
    let Some(equals) = parameter.iter().position(|&byte| byte == b'=') else { return is_token(parameter) };
    let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
    // The RFC's grammar implies white space between any two tokens (RFC 2616, section 2.1).
    is_token(name.trim_ascii_end()) && is_value(value.trim_ascii_start())
}

fn is_value(value: &[u8]) -> bool {
    match value {
        [b'"', quoted @ .., b'"'] => is_quoted_token(quoted),
        _ => is_token(value),
    }
}

/// Whether what stands between two quotes is a token once the backslashes are gone.
fn is_quoted_token(mut quoted: &[u8]) -> bool {
    if quoted.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = quoted {
        quoted = match (byte, rest) {
            (b'\\', [escaped, rest @ ..]) if is_token(&[*escaped]) => rest,
            _ if is_token(&[*byte]) => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_with_parameters_are_a_list() {
        for value in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; server_no_context_takeover, x-webkit-deflate-frame",
            "foo,, bar;baz=2",
            "foo; a=\"10\"; b=\"\\1\\0\"",
            "foo ; a = b",
        ] {
            assert!(is_extension_list(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_none() {
        for value in [
            "",
            " , ",
            "foo;",
            "foo;;a",
            ";a",
            "foo; =1",
            "foo; a=",
            "foo; a=\"\"",
            "foo; a=\"1",
            "foo; a=\"",
            "foo bar",
            "foo; a=\"b c\"",
            "foo; a=\"b,c\"",
            "foo; a=\"b\\\"",
            "foo; a=b=c",
            "foo/1",
            "foo; a=\"\\;\"",
            "fö",
        ] {
            assert!(!is_extension_list(value.as_bytes()), "{value}");
        }
    }
}
