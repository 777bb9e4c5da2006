//! Authentication on the admin port: clients must send the token; without a token, programs on this machine are admitted, and web pages are
//! not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::Response;

use super::client::Client;
use super::origin;
use super::problem::Problem;
use super::token::AdminToken;

/// The path that needs no token, and no particular host name.
pub(super) const HEALTH: &str = "/health";

/// Checks the token of a request. Without a token, checks that no web page makes the request.
pub(super) async fn check(
    State(token): State<Option<Arc<AdminToken>>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check_form(&request)?;
    if request.uri().path() != HEALTH {
        match token {
            Some(token) => check_token(&token, request.headers())?,
            None => origin::check(&request)?,
        }
        if let Some(client) = request.extensions().get::<Arc<Client>>() {
            client.authenticate();
        }
    }
    Ok(next.run(request).await)
}

/// Checks the rules that do not depend on the client, and that the serving port has too.
fn check_form(request: &Request) -> Result<(), Problem> {
    // RFC 3986, section 2.
    if !request.uri().path_and_query().is_none_or(|target| target.as_str().is_ascii()) {
        return Err(Problem::bad_request("the target must be ASCII: percent-encode other characters"));
    }
    // RFC 9112, section 3.2.
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(Problem::bad_request("the Host header field must name a host")),
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        _ => Err(Problem::bad_request("there must be one Host header field")),
    }
}

/// Returns whether a Host field is a host with an optional port, without user information, which has no meaning in HTTP (RFC 9110,
/// section 4.2.4).
fn is_host(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok() && !host.contains(&b'@')
}

fn check_token(token: &AdminToken, headers: &HeaderMap) -> Result<(), Problem> {
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

/// Returns the token in `Bearer TOKEN`; the scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked("Bearer".len())?;
    let given = token.trim_ascii_start();
    (scheme.eq_ignore_ascii_case(b"Bearer") && given.len() < token.len()).then_some(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_field_names_a_host() {
        for host in ["localhost", "127.0.0.1:9190", "[::1]", "[::1]:80", "a_b.example.org:", "throng"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for other in ["", "a b", "a, b", "http://a/", "a/b", "user@a", "a:b:c", "\u{e4}", "[::1"] {
            assert!(!is_host(other.as_bytes()), "{other}");
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
