//! The client side of the opening handshake (RFC 6455, section 4.1), for load generators and tests.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deflate::{self, Agreement, Offer};
use super::extensions::{extensions, members};
use super::handshake::{KEY_LEN, accept_key};
use crate::http::{MAX_HEAD, MAX_HEADERS};

/// Encodes a 16-byte nonce as a `Sec-WebSocket-Key`. The nonce must be random for each connection.
#[must_use]
pub fn encode_key(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    let written = STANDARD.encode_slice(nonce, &mut key);
    debug_assert_eq!(written, Ok(KEY_LEN), "16 bytes are 24 in base64");
    key
}

/// Appends an upgrade request to `out`. `target` is the path and query; `subprotocols` is a comma-separated list, empty for none.
pub fn request(out: &mut Vec<u8>, host: &str, target: &str, key: &[u8; KEY_LEN], subprotocols: &str) {
    request_with_extensions(out, host, target, key, subprotocols, "");
}

/// Appends a request as [`request`] does, with an offer of `extensions`: the value of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1),
/// empty for none.
pub fn request_with_extensions(
    out: &mut Vec<u8>,
    host: &str,
    target: &str,
    key: &[u8; KEY_LEN],
    subprotocols: &str,
    extensions: &str,
) {
    let start = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    );
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(key);
    for (name, value) in [("Protocol", subprotocols), ("Extensions", extensions)] {
        if !value.is_empty() {
            out.extend_from_slice(format!("\r\nSec-WebSocket-{name}: {value}").as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// The reason why a response does not open a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseError {
    /// The response is not HTTP.
    Malformed,
    /// The response has a status other than 101.
    Status(u16),
    /// The response does not upgrade to a WebSocket.
    NoUpgrade,
    /// The response's `Sec-WebSocket-Accept` does not match the request's key.
    WrongAccept,
    /// The response has an extension that the client did not offer.
    UnofferedExtension,
    /// The response's permessage-deflate parameters do not answer the offer.
    IllegalExtension,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed response"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoUpgrade => f.write_str("response without the upgrade"),
            Self::WrongAccept => f.write_str("response to another key"),
            Self::UnofferedExtension => f.write_str("response with an extension that was not asked for"),
            Self::IllegalExtension => {
                f.write_str("response with parameters of compression that do not answer the offer")
            }
        }
    }
}

impl std::error::Error for ResponseError {}

/// A response that opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The length of the response in bytes; frames may follow it.
    pub len: usize,
    /// The negotiated compression; `None` if messages are not compressed.
    pub compression: Option<Agreement>,
}

/// Checks the response at the start of `bytes` to a [`request`] with `key` (section 4.1, the client's list of checks). Returns the length
/// of the response in bytes, behind which frames may follow, or `None` while it is incomplete. The subprotocol is not checked against the
/// offer, which this function does not know.
///
/// # Errors
/// Returns an error for anything but a 101 that matches the key and has no extension.
pub fn check_response(bytes: &[u8], key: &[u8; KEY_LEN]) -> Result<Option<usize>, ResponseError> {
    Ok(check_response_to_offer(bytes, key, None)?.map(|accepted| accepted.len))
}

/// Checks a response as [`check_response`] does, to a request that has offered compression ([`request_with_extensions`]) and no other
/// extension. An `offer` of `None` means that the request has offered no extension.
///
/// # Errors
/// Returns an error for anything but a 101 that matches the key and whose compression, if any, answers the offer (RFC 7692, section 7.1).
pub fn check_response_to_offer(
    bytes: &[u8],
    key: &[u8; KEY_LEN],
    offer: Option<&Offer>,
) -> Result<Option<Accepted>, ResponseError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        _ => return Err(ResponseError::Malformed),
    };
    match (response.version, response.code) {
        (Some(1), Some(101)) => {}
        (Some(_), Some(status)) if status != 101 => return Err(ResponseError::Status(status)),
        _ => return Err(ResponseError::Malformed),
    }
    let values = |name: &'static str| {
        let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    };
    let only = |name| {
        let mut values = values(name);
        values.next().filter(|_| values.next().is_none())
    };
    let upgrades = only("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let connects =
        values("connection").flat_map(members).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    if !upgrades || !connects {
        return Err(ResponseError::NoUpgrade);
    }
    if only("sec-websocket-accept") != Some(&accept_key(key)) {
        return Err(ResponseError::WrongAccept);
    }
    let compression = check_extensions(values("sec-websocket-extensions"), offer)?;
    Ok(Some(Accepted { len, compression }))
}

/// Returns the compression that the fields of `Sec-WebSocket-Extensions` agree to.
fn check_extensions<'b>(
    fields: impl Iterator<Item = &'b [u8]>,
    offer: Option<&Offer>,
) -> Result<Option<Agreement>, ResponseError> {
    let mut agreed = None;
    for extension in fields.flat_map(extensions) {
        // RFC 6455 section 4.1, step 5 of the response's checks.
        let offer = offer
            .filter(|_| extension.name == deflate::NAME.as_bytes())
            .ok_or(ResponseError::UnofferedExtension)?;
        let agreement = offer.agreement(&extension).ok_or(ResponseError::IllegalExtension)?;
        if agreed.replace(agreement).is_some() {
            return Err(ResponseError::IllegalExtension);
        }
    }
    Ok(agreed)
}
