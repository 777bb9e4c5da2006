//! Who may use the admin port: whoever bears the token; without one, programs on this machine, but no web page.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;
use super::token::Token;

/// Asks for the token, or, where there is none, keeps browsers out: a page of somebody else must not publish through the browser
/// of whoever looks at it, be it across origins or after its name has been made to mean this machine (DNS rebinding).
pub(super) async fn check(
    State(token): State<Option<Arc<Token>>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    match token {
        Some(token) if request.uri().path() != "/health" => check_token(&token, request.headers())?,
        Some(_) => {}
        None => check_origin(&request)?,
    }
    Ok(next.run(request).await)
}

fn check_token(token: &Token, headers: &HeaderMap) -> Result<(), Problem> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return Err(Problem::unauthorized("one field is needed: Authorization: Bearer TOKEN"));
    };
    match bearer(field.as_bytes()) {
        Some(given) if token.is(given) => Ok(()),
        Some(_) => Err(Problem::unauthorized("this is not the token")),
        None => Err(Problem::unauthorized("the scheme is Bearer: Authorization: Bearer TOKEN")),
    }
}

/// The token in `Bearer TOKEN`; the scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked("Bearer".len())?;
    let given = token.trim_ascii_start();
    (scheme.eq_ignore_ascii_case(b"Bearer") && given.len() < token.len()).then_some(given)
}

fn check_origin(request: &Request) -> Result<(), Problem> {
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Problem::forbidden("web pages may not use the admin port: it has no token"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or(""));
    // A target with an authority takes the place of Host (RFC 9112, section 3.2.2).
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let all_mean_us = hosts.all(means_this_machine) && target.is_none_or(means_this_machine);
    let has_any = target.is_some() || request.headers().contains_key(header::HOST);
    if all_mean_us && has_any {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the Host must be an IP address or localhost, so that no other name can be made to mean this machine: the admin port has \
         no token",
    ))
}

/// Whether a host, perhaps with a port, is one that nobody else can define.
fn means_this_machine(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let parts = rest.split_once(']');
        return parts.is_some_and(|(host, port)| host.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let colon = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(colon);
    (host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok()) && is_port(port)
}

/// Whether it is nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
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
    fn bearers_bear_tokens() {
        for field in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(bearer(field.as_bytes()), Some(&b"abc"[..]), "{field}");
        }
        for field in ["", "Bearer", "Bearerabc", "Basic abc", "abc"] {
            assert_eq!(bearer(field.as_bytes()), None, "{field}");
        }
    }
}
