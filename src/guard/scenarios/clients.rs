//! The bytes that clients send: requests and frames.

use std::error::Error;

use throng::guard::{Client, Harness, MeasurementError};
use throng::ws::client::{encode_key, request};
use throng::ws::encode;
use throng::ws::{CloseCode, Opcode};

/// Returns the smallest valid request.
pub(crate) fn small_request(target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    request(&mut bytes, "127.0.0.1:9001", target, &encode_key(*b"throng's guard's"), "");
    bytes
}

/// Returns the request of a browser, Chromium 140, with a cookie.
pub(crate) fn browser_request() -> Vec<u8> {
    let fields = [
        "GET /live HTTP/1.1",
        "Host: chat.example.com",
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Upgrade: websocket",
        "Origin: https://chat.example.com",
        "Sec-WebSocket-Version: 13",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-US,en;q=0.9",
        "Cookie: session=5f2d1c9e8b7a4f60",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ];
    (fields.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// Returns a masking key, different for each frame `number`.
fn masking_key(number: usize) -> [u8; 4] {
    let bits = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., a, b, c, d] = bits.rotate_left(32).to_be_bytes();
    [a, b, c, d]
}

/// Returns `count` messages, each in a frame of its own.
pub(crate) fn messages(opcode: Opcode, payload: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..count).for_each(|number| encode::frame(&mut bytes, opcode, payload, Some(masking_key(number))));
    bytes
}

/// Returns a Close.
pub(crate) fn close() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::close(&mut bytes, Some(CloseCode::NORMAL), "", Some(masking_key(0)));
    bytes
}

/// Connects `count` clients, 64 at a time; each receives its response.
pub(crate) fn connect(
    harness: &mut Harness,
    request: Vec<u8>,
    count: usize,
) -> Result<Vec<Client>, MeasurementError> {
    /// The clients that a worker accepts in an iteration.
    const AT_A_TIME: usize = 64;
    let request = harness.script(request);
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let more = AT_A_TIME.min(count - clients.len());
        clients.extend((0..more).map(|_| harness.connect(request)));
        harness.run_until_idle()?;
    }
    Ok(clients)
}

/// Checks that a client has received the expected bytes.
pub(crate) fn check(what: &str, heard: &[u8], due: &[u8]) -> Result<(), Box<dyn Error>> {
    if heard == due {
        return Ok(());
    }
    let (len, due_len) = (heard.len(), due.len());
    let differs = heard.iter().zip(due).position(|(one, other)| one != other).unwrap_or(len.min(due_len));
    Err(format!("{what}: a client got {len} bytes, not {due_len}, or others from byte {differs} on").into())
}
