//! Web pages must not use an admin port without a token through the browser of their reader, neither across origins nor by DNS rebinding,
//! which makes their name resolve to this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, header};

use super::problem::Problem;

/// The field with which browsers declare the origin of a request (Fetch Metadata Request Headers, section 2.4); they send it to loopback
/// addresses, too.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses requests of pages of another origin, and requests to a host name that others can define.
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    let fields = request.headers();
    if is_of_a_page(fields) {
        return Err(Problem::forbidden(
            "web pages may not use the admin port: it has no token. What is opened from an address bar is answered",
        ));
    }
    let mut hosts = fields.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or(""));
    // A target with an authority takes the place of Host (RFC 9112, section 3.2.2).
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let all_mean_us = hosts.all(means_this_machine) && target.is_none_or(means_this_machine);
    let has_any = target.is_some() || fields.contains_key(header::HOST);
    if all_mean_us && has_any {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the Host must be an IP address or localhost, so that no other name can be made to mean this machine: the admin port has \
         no token",
    ))
}

/// Returns whether a browser makes the request for a page of another origin. Only requests with CORS and those that change something have
/// an Origin; images, scripts, frames and links have the browser's `Sec-Fetch-Site`, and mostly a Referer.
fn is_of_a_page(fields: &HeaderMap) -> bool {
    let is_foreign = |site: &axum::http::HeaderValue| site != "none" && site != "same-origin";
    fields.contains_key(header::ORIGIN)
        || fields.get_all(SEC_FETCH_SITE).iter().any(is_foreign)
        || fields.get_all(header::REFERER).iter().any(|referer| {
            let host = fields.get(header::HOST).map(|host| host.as_bytes());
            authority_of(referer.as_bytes()).is_none_or(|authority| host != Some(authority))
        })
}

/// Returns the part of a URL between `//` and the path.
fn authority_of(address: &[u8]) -> Option<&[u8]> {
    let start = address.windows(3).position(|window| window == b"://")? + 3;
    address[start..].split(|byte| b"/?#".contains(byte)).next()
}

/// Returns whether a host, with an optional port, is one that only this machine can define.
fn means_this_machine(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let parts = rest.split_once(']');
        return parts.is_some_and(|(host, port)| host.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let colon = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(colon);
    (host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok()) && is_port(port)
}

/// Returns whether the text is empty, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn hosts_are_addresses_or_localhost() {
        for host in
            ["127.0.0.1", "127.0.0.1:9190", "10.1.2.3:80", "localhost", "LocalHost:1", "[::1]", "[::1]:9190"]
        {
            assert!(means_this_machine(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.org",
            "example.org:9190",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "localhost:80@example.org",
            "127.0.0.1:x",
            "[::1",
            "[::1]x",
            "[localhost]",
            "::1",
            "user@127.0.0.1",
        ] {
            assert!(!means_this_machine(host), "{host}");
        }
    }

    #[test]
    fn pages_are_known_by_what_browsers_say_of_them() {
        let is_page = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let mut fields: HeaderMap = fields.collect();
            fields.insert(header::HOST, HeaderValue::from_static("127.0.0.1:9190"));
            is_of_a_page(&fields)
        };
        for page in [
            &[("origin", "null")][..],
            &[("origin", "http://127.0.0.1:9190")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-user", "?1")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "None")],
            &[("sec-fetch-site", "")],
            &[("referer", "https://example.org/")],
            &[("referer", "http://127.0.0.1:3000/page")],
            &[("referer", "https://example.org/?http://127.0.0.1:9190/")],
            &[("referer", "http://127.0.0.1:9190@example.org/")],
            &[("referer", "about:blank")],
        ] {
            assert!(is_page(page), "{page:?}");
        }
        for other in [
            &[][..],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            &[("sec-fetch-site", "same-origin"), ("referer", "http://127.0.0.1:9190/stats?a")],
            &[("user-agent", "Prometheus/3.0"), ("accept", "*/*")],
        ] {
            assert!(!is_page(other), "{other:?}");
        }
    }
}
