//! The server side of the opening handshake (RFC 6455, section 4.2).

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use sha1::{Digest, Sha1};

use super::deflate::Agreement;
use super::extensions::{is_extension_list, members};
pub use crate::http::is_token;
use crate::http::{Refusal, Request, Status, is_authority};

/// The GUID that is hashed with the key to make the accept key (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The decoder of keys. Base64 of 16 bytes leaves four bits unused after the last byte, and RFC 6455's own sample key (section 4.1, step 7)
/// has some of them set, so these bits are allowed.
const KEYS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
/// The length in bytes of an accept key: base64 of a 20-byte SHA-1.
pub const ACCEPT_LEN: usize = 28;
/// The length in bytes of a `Sec-WebSocket-Key`: base64 of 16 bytes.
pub const KEY_LEN: usize = 24;

/// What a client requests of a server that speaks WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A request to open a WebSocket.
    WebSocket(Upgrade),
    /// Another HTTP request. It names one host and announces no body.
    Http,
}

impl RequestKind {
    /// Checks a request against RFC 9110 and RFC 9112, and a request for a WebSocket against RFC 6455, section 4.2.1.
    ///
    /// # Errors
    /// Returns 413 if the request has a body, 426 for a WebSocket of a version other than 13, and 400 for everything else.
    pub fn of(request: &Request<'_>) -> Result<Self, Refusal> {
        // RFC 6455-4.2.1-1, 6455-10.1-1 and 6455-10.7-3: whatever differs from section 4.2.1 is answered with an error.
        // RFC 6455-4.2.1-12: fields that are not checked here are ignored.
        // RFC 6455-4.2.1-2: the parser of the head checks the HTTP version.
        check_host(request)?;
        check_body(request)?;
        // RFC 6455-4.2.1-5. HEAD is answered as a GET that does not upgrade: a server may always ignore an Upgrade (RFC 9110, section 7.8).
        let names_websocket =
            request.list("upgrade").any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
        if request.method() != "GET" || !names_websocket {
            return Ok(Self::Http);
        }
        Upgrade::check_rest(request).map(Self::WebSocket)
    }
}

/// Returns a WebSocket-only server's refusal of an [HTTP request](RequestKind::Http) for anything but a WebSocket: 426 for GET and HEAD,
/// 405 for other methods.
#[must_use]
pub fn refusal_of_http(request: &Request<'_>) -> Refusal {
    if matches!(request.method(), "GET" | "HEAD") { UPGRADE_REQUIRED } else { NOT_ALLOWED }
}

const NOT_ALLOWED: Refusal = Refusal::new(Status::METHOD_NOT_ALLOWED, "the method must be GET or HEAD");
const UPGRADE_REQUIRED: Refusal =
    Refusal::new(Status::UPGRADE_REQUIRED, "this is a WebSocket server: upgrade to one");

const HAS_BODY: Refusal =
    Refusal::new(Status::CONTENT_TOO_LARGE, "the request has a body, and this server takes no bodies");

fn check_host(request: &Request<'_>) -> Result<(), Refusal> {
    // RFC 6455-4.2.1-4
    let host = exactly_one(request, "host", "there must be one Host header field")?;
    if !is_authority(host) {
        return Err(bad("the Host header field must name a host"));
    }
    Ok(())
}

/// Checks that a request has no body: the server would have to read it before the next request.
fn check_body(request: &Request<'_>) -> Result<(), Refusal> {
    let mut has_body = request.header("transfer-encoding").is_some();
    for length in request.header_all("content-length") {
        if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
            // RFC 9112, section 6.3
            return Err(bad("Content-Length must be a number"));
        }
        has_body |= length.iter().any(|&digit| digit != b'0');
    }
    if has_body { Err(HAS_BODY) } else { Ok(()) }
}

/// A valid upgrade request; [`Upgrade::accept`] answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    key: [u8; KEY_LEN],
}

impl Upgrade {
    /// Checks a request against the rules of RFC 6455, section 4.2.1.
    ///
    /// ```
    /// use throng::http::{HeadBuffer, parse_head};
    /// use throng::ws::handshake::Upgrade;
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    /// let mut buffer = HeadBuffer::default();
    /// let (request, _) = parse_head(head, &mut buffer).unwrap().unwrap();
    /// let mut response = Vec::new();
    /// Upgrade::of(&request).unwrap().accept(None, None, &mut response);
    /// assert!(response.starts_with(b"HTTP/1.1 101 "));
    /// ```
    ///
    /// # Errors
    /// Returns the [refusal of another HTTP request](refusal_of_http), 413 for a request with a body, 426 for a version other than 13, and
    /// 400 for everything else.
    pub fn of(request: &Request<'_>) -> Result<Self, Refusal> {
        match RequestKind::of(request)? {
            RequestKind::WebSocket(upgrade) => Ok(upgrade),
            RequestKind::Http => Err(refusal_of_http(request)),
        }
    }

    /// Checks the remaining fields of a request whose method, host and protocol were checked before.
    fn check_rest(request: &Request<'_>) -> Result<Self, Refusal> {
        // RFC 6455-4.2.1-6
        if !request.list("connection").any(|option| option.eq_ignore_ascii_case("upgrade")) {
            return Err(bad("the Connection header field must name Upgrade"));
        }
        // RFC 6455-4.2.1-8 and 6455-11.3.5-1
        let version = exactly_one(
            request,
            "sec-websocket-version",
            "there must be one Sec-WebSocket-Version header field",
        )?;
        // RFC 6455-4.2.2-4: the response with this status names the supported version.
        if version != b"13" {
            return Err(Refusal::new(Status::UPGRADE_REQUIRED, "the version of the protocol must be 13"));
        }
        // RFC 6455-4.2.1-7 and 6455-11.3.1-1
        let key =
            exactly_one(request, "sec-websocket-key", "there must be one Sec-WebSocket-Key header field")?;
        let key = <[u8; KEY_LEN]>::try_from(key).ok().filter(decodes_to_16_bytes);
        let key = key.ok_or(bad("Sec-WebSocket-Key must be 16 bytes in base64"))?;
        // RFC 6455-4.2.1-10. An empty list counts as no offer, like an absent field: some clients send one, although the grammar forbids
        // it.
        if !request.header_all("sec-websocket-protocol").flat_map(members).all(is_token) {
            return Err(bad("Sec-WebSocket-Protocol must be a list of tokens"));
        }
        // RFC 6455-4.2.1-11 and 6455-9.1-1: a malformed list is refused even if none of its extensions is known. An empty list counts as no
        // offer here too.
        if !request.header_all("sec-websocket-extensions").all(is_extension_list) {
            return Err(bad("Sec-WebSocket-Extensions must be a list of extensions"));
        }
        Ok(Self { key })
    }

    /// Appends the 101 response to `out`, with the subprotocol chosen from the client's offer and the negotiated compression, if any. A
    /// client fails the connection if it has not offered the subprotocol.
    pub fn accept(&self, subprotocol: Option<&str>, compression: Option<&Agreement>, out: &mut Vec<u8>) {
        // RFC 6455-11.3.2-1, 6455-11.3.3-1 and 6455-11.3.4-2: each field is written at one place, once.
        debug_assert!(subprotocol.is_none_or(|name| is_token(name.as_bytes())), "an offered name is a token");
        // RFC 6455-4.2.2-10, 6455-4.2.2-11 and 6455-4.2.2-12
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&accept_key(&self.key));
        // RFC 6455-4.2.2-7
        if let Some(subprotocol) = subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        // RFC 6455-4.2.2-9, 6455-9-1 and RFC 7692-5-13: no other extension is written, and none without an agreement. RFC 7692-5-9 and
        // RFC 7692-5-11: so no other extension can conflict with this one.
        if let Some(agreement) = compression {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            agreement.write(out);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Returns the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455-4.2.2-13).
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_LEN];
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(ACCEPT_LEN), "20 bytes are 28 in base64");
    accept
}

fn decodes_to_16_bytes(key: &[u8; KEY_LEN]) -> bool {
    let mut nonce = [0; 18];
    KEYS.decode_slice(key, &mut nonce) == Ok(16)
}

fn exactly_one<'b>(request: &Request<'b>, name: &str, detail: &'static str) -> Result<&'b [u8], Refusal> {
    let mut values = request.header_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(bad(detail)),
    }
}

const fn bad(detail: &'static str) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, detail)
}
