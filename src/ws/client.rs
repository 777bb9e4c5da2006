//! The opening handshake, client side (RFC 6455, section 4.1), for load generators and tests.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::handshake::{KEY_LEN, accept_key};
use crate::http::MAX_HEADERS;

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
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed response"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoUpgrade => f.write_str("response without the upgrade"),
            Self::WrongAccept => f.write_str("response to another key"),
        }
    }
}

impl std::error::Error for ResponseError {}

/// Judges the response at the start of `bytes` to a request with `key` (section 4.1, the client's list of checks): its length
/// in bytes, behind which frames may follow, or `None` while it is incomplete.
///
/// # Errors
/// Anything but a 101 that answers the key.
pub fn check_response(bytes: &[u8], key: &[u8; KEY_LEN]) -> Result<Option<usize>, ResponseError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ResponseError::Malformed),
    };
    match response.code {
        Some(101) => {}
        Some(status) => return Err(ResponseError::Status(status)),
        None => return Err(ResponseError::Malformed),
    }
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    };
    let is = |name, expected: &[u8]| value(name).is_some_and(|value| value.eq_ignore_ascii_case(expected));
    if !is("upgrade", b"websocket") || !is("connection", b"upgrade") {
        return Err(ResponseError::NoUpgrade);
    }
    if value("sec-websocket-accept") != Some(&accept_key(key)) {
        return Err(ResponseError::WrongAccept);
    }
    Ok(Some(len))
}
