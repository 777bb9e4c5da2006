//! The opening handshake, client side (RFC 6455, section 4.1), for load generators and tests.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::handshake::{KEY_LEN, accept_key, members};
use crate::http::{MAX_HEAD, MAX_HEADERS};

/// The `Sec-WebSocket-Key` of a 16-byte nonce, which must be chosen at random for each connection.
#[must_use]
pub fn encode_key(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    let written = STANDARD.encode_slice(nonce, &mut key);
    debug_assert_eq!(written, Ok(KEY_LEN), "16 bytes are 24 in base64");
    key
}

/// Appends a request to upgrade to `out`. `target` is the path and query, `subprotocols` a comma-separated list, empty for
/// none.
pub fn request(out: &mut Vec<u8>, host: &str, target: &str, key: &[u8; KEY_LEN], subprotocols: &str) {
    let start = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    );
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(key);
    if !subprotocols.is_empty() {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(subprotocols.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Why a response does not open a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseError {
    /// It is no HTTP response.
    Malformed,
    /// It has another status than 101.
    Status(u16),
    /// It does not upgrade to a WebSocket.
    NoUpgrade,
    /// It does not answer the key that was sent.
    WrongAccept,
    /// It turns on an extension, and [`request`] asks for none.
    UnaskedExtension,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed response"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoUpgrade => f.write_str("response without the upgrade"),
            Self::WrongAccept => f.write_str("response to another key"),
            Self::UnaskedExtension => f.write_str("response with an extension that was not asked for"),
        }
    }
}

impl std::error::Error for ResponseError {}

/// Judges the response at the start of `bytes` to a request with `key` (section 4.1, the client's list of checks): its length
/// in bytes, behind which frames may follow, or `None` while it is incomplete. A subprotocol it names is not held against the
/// offer, which is not known here.
///
/// # Errors
/// Anything but a 101 that answers the key.
pub fn check_response(bytes: &[u8], key: &[u8; KEY_LEN]) -> Result<Option<usize>, ResponseError> {
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
    if values("sec-websocket-extensions").flat_map(members).next().is_some() {
        return Err(ResponseError::UnaskedExtension);
    }
    Ok(Some(len))
}
