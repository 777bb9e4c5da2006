//! Protocol violations: requests with the status, and frames with the close code, that each must receive.

use super::behavior::Bounds;
use super::choices::Choices;
use super::deflate::ClientDeflater;
use crate::http::{MAX_HEAD, MAX_HEADERS};
use crate::ws::{Opcode, encode};

/// A protocol violation in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// The close code that the violation must receive (RFC 6455, section 7.4.1).
    pub(crate) code: u16,
}

/// Violations that do not depend on the limits: name, frames, close code.
const FRAMES: &[(&str, &[u8], u16)] = &[
    ("reserved bit 1", b"\xc1\x80\0\0\0\0", 1002),
    ("reserved bit 2", b"\xa2\x80\0\0\0\0", 1002),
    ("reserved bit 3", b"\x92\x80\0\0\0\0", 1002),
    ("reserved opcode 3", b"\x83\x80\0\0\0\0", 1002),
    ("reserved opcode 7", b"\x87\x81\0\0\0\0x", 1002),
    ("reserved opcode 11", b"\x8b\x80\0\0\0\0", 1002),
    ("reserved opcode 15", b"\x8f\x80\0\0\0\0", 1002),
    ("no mask", b"\x81\x02hi", 1002),
    ("no mask on a ping", b"\x89\x00", 1002),
    ("length 5 in two bytes", b"\x82\xfe\x00\x05\0\0\0\0hello", 1002),
    ("length 5 in eight bytes", b"\x82\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello", 1002),
    ("length with the highest bit", b"\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0", 1002),
    ("ping of 126 bytes", b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
    ("ping in fragments", b"\x09\x80\0\0\0\0", 1002),
    ("close in fragments", b"\x08\x80\0\0\0\0", 1002),
    ("continuation of nothing", b"\x80\x81\0\0\0\0x", 1002),
    ("message inside a message", b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y", 1002),
    ("text that is not UTF-8", b"\x81\x82\0\0\0\0\xc3\x28", 1007),
    ("text that ends within a character", b"\x81\x83\0\0\0\0ab\xc3", 1007),
    ("surrogate across fragments", b"\x01\x81\0\0\0\0\xed\x80\x82\0\0\0\0\xa0\x80", 1007),
    ("fragments that end within a character", b"\x01\x82\0\0\0\0a\xe2\x80\x80\0\0\0\0", 1007),
    ("close body of one byte", b"\x88\x81\0\0\0\0\x03", 1002),
    ("close code 1005", b"\x88\x82\0\0\0\0\x03\xed", 1002),
    ("close code 1006", b"\x88\x82\0\0\0\0\x03\xee", 1002),
    ("close code 1004", b"\x88\x82\0\0\0\0\x03\xec", 1002),
    ("close code 1015", b"\x88\x82\0\0\0\0\x03\xf7", 1002),
    ("close code 999", b"\x88\x82\0\0\0\0\x03\xe7", 1002),
    ("close code 2999", b"\x88\x82\0\0\0\0\x0b\xb7", 1002),
    ("close code 5000", b"\x88\x82\0\0\0\0\x13\x88", 1002),
    ("close reason that is not UTF-8", b"\x88\x84\0\0\0\0\x03\xe8\xff\xfe", 1007),
    ("more bytes than anyone has", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
];

/// Appends a violation in uncompressed frames. RSV1 is not used as one if the client has offered compression, because it may be legal then.
pub(crate) fn frames(out: &mut Vec<u8>, bounds: Bounds, has_offered: bool, choices: &Choices) -> Fault {
    let key = Some([9, 8, 7, 6]);
    match choices.below(FRAMES.len() + 3) {
        0 => {
            let payload = vec![0; bounds.max_message + 1];
            encode::frame(out, Opcode::Binary, &payload, key);
            Fault { name: "a byte over the message limit", code: 1009 }
        }
        1 => {
            // The limit is that of a message, not of a frame.
            let frames = bounds.max_frames.min(3) as usize;
            let piece = bounds.max_message / frames + 1;
            for frame in 0..frames {
                let opcode = if frame == 0 { Opcode::Binary } else { Opcode::Continuation };
                encode::fragment(out, (frame + 1 == frames).into(), opcode, &vec![0; piece], key);
            }
            Fault { name: "a message over the limit in frames under it", code: 1009 }
        }
        2 => {
            for frame in 0..=bounds.max_frames {
                let opcode = if frame == 0 { Opcode::Binary } else { Opcode::Continuation };
                encode::fragment(out, encode::Fin::Clear, opcode, b"", key);
            }
            Fault { name: "a frame over the limit of frames", code: 1008 }
        }
        at => {
            let at = if has_offered { (at - 3).max(1) } else { at - 3 };
            let (name, bytes, code) = FRAMES[at];
            if choices.one_in(4) && matches!(bytes[0], 0x81 | 0x82) && code == 1007 {
                // As a continuation inside a message, the frame has the same fault.
                out.extend_from_slice(b"\x01\x80\0\0\0\0");
                out.push(bytes[0] & 0xf0);
                out.extend_from_slice(&bytes[1..]);
            } else {
                out.extend_from_slice(bytes);
            }
            Fault { name, code }
        }
    }
}

/// Appends a violation in compressed frames.
pub(crate) fn compressed(
    out: &mut Vec<u8>,
    bounds: Bounds,
    deflater: &mut ClientDeflater,
    choices: &Choices,
) -> Fault {
    let key = Some([5, 6, 7, 8]);
    let mut message = |opcode, payload: &[u8]| encode::compressed_frame(out, opcode, payload, key);
    let (name, code) = match choices.below(9) {
        0 => {
            message(Opcode::Binary, b"\x07\0\0");
            ("a block of no type", 1007)
        }
        1 => {
            message(Opcode::Text, b"\0\x05\0\0\0hello");
            ("a stored block with another length", 1007)
        }
        2 => {
            let piece = deflater.compress(b"a message that ends within a block");
            message(Opcode::Binary, &piece[..piece.len() / 2]);
            ("half a message", 1007)
        }
        3 => {
            message(Opcode::Text, &deflater.compress(b"ends within a character \xe2\x82"));
            ("compressed text that is not UTF-8", 1007)
        }
        4 => {
            let times = choices.pick(&[1, 1, 30]);
            message(Opcode::Binary, &deflater.compress(&vec![0; bounds.max_message * times + 1]));
            ("a little that becomes more than the message limit", 1009)
        }
        5 => {
            message(Opcode::Binary, &vec![0; bounds.max_message + bounds.max_message / 8 + 65]);
            ("more than compression makes of the largest message", 1009)
        }
        6 => {
            let payload = deflater.compress(b"in two frames, both marked");
            encode::compressed_fragment(out, encode::Fin::Clear, Opcode::Text, &payload, key);
            out.extend_from_slice(b"\xc0\x80\0\0\0\0");
            ("a continuation that is marked as compressed", 1002)
        }
        7 => {
            out.extend_from_slice(b"\xc9\x80\0\0\0\0");
            ("a Ping that is marked as compressed", 1002)
        }
        _ => {
            out.extend_from_slice(b"\xe1\x80\0\0\0\0");
            ("two reserved bits, one of them agreed on", 1002)
        }
    };
    Fault { name, code }
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";

/// Appends a request that is refused, and returns the status of the refusal.
pub(crate) fn request(out: &mut Vec<u8>, number: usize, choices: &Choices) -> u16 {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let get = format!("GET /{number} HTTP/1.1\r\n");
    let (status, head) = match choices.below(16) {
        0 => (405, format!("POST /{number} HTTP/1.1\r\nHost: h\r\n{UPGRADE}{key}\r\n")),
        1 => (426, format!("{get}Host: h\r\nAccept: */*\r\n\r\n")),
        2 => (426, format!("{get}Host: h\r\n{}{key}\r\n", UPGRADE.replace("13", "8"))),
        3 => (400, format!("{get}Host: h\r\n{UPGRADE}\r\n")),
        4 => (400, format!("{get}Host: h\r\n{UPGRADE}Sec-WebSocket-Key: short\r\n\r\n")),
        5 => (400, format!("GET /{number} HTTP/1.0\r\nHost: h\r\n{UPGRADE}{key}\r\n")),
        6 => (400, "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".into()),
        7 => (400, format!("{get}Host: h\n{UPGRADE}{key}\r\n")),
        8 => (413, format!("{get}Host: h\r\n{UPGRADE}{key}Content-Length: 5\r\n\r\nhello")),
        9 => (431, format!("{get}{}Host: h\r\n{UPGRADE}{key}\r\n", "a: b\r\n".repeat(MAX_HEADERS))),
        10 => (431, format!("{get}Host: h\r\nX: {}\r\n{UPGRADE}{key}\r\n", "x".repeat(MAX_HEAD))),
        11 => (400, format!("{get}{UPGRADE}{key}\r\n")),
        12 => (400, format!("{get}Host: h\r\nHost: i\r\n{UPGRADE}{key}\r\n")),
        13 => (400, format!("{get}Host: h\r\n{UPGRADE}{key}{key}\r\n")),
        14 => (400, format!("{get}Host: h\r\n{UPGRADE}{key}X : y\r\n\r\n")),
        _ => (403, format!("GET /forbidden HTTP/1.1\r\nHost: h\r\n{UPGRADE}{key}\r\n")),
    };
    out.extend_from_slice(head.as_bytes());
    status
}
