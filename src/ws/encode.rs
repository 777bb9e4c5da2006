//! Frames written, for both roles (RFC 6455, section 5.2).

use super::close::clip_reason;
use super::frame::MAX_HEADER;
use super::{CloseCode, FrameHeader, Opcode, apply_mask};

/// A frame header in its wire form.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl AsRef<[u8]> for HeaderBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The wire form of a header, its length in as few bytes as possible.
#[must_use]
pub fn header(header: &FrameHeader) -> HeaderBytes {
    let mut bytes = [0; MAX_HEADER];
    bytes[0] = (u8::from(header.fin) << 7) | header.opcode as u8;
    let mut len = match header.payload_len {
        0..=125 => {
            bytes[1] = header.payload_len.to_be_bytes()[7];
            2
        }
        126..=0xffff => {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&header.payload_len.to_be_bytes()[6..]);
            4
        }
        _ => {
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&header.payload_len.to_be_bytes());
            10
        }
    };
    if let Some(key) = header.key {
        bytes[1] |= 0x80;
        bytes[usize::from(len)..][..4].copy_from_slice(&key);
        len += 4;
    }
    HeaderBytes { bytes, len }
}

/// Bytes on the wire of an unfragmented frame with a payload of `payload_len` bytes.
#[must_use]
pub const fn frame_len(payload_len: usize, masked: bool) -> usize {
    let header = match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    header + if masked { 4 } else { 0 } + payload_len
}

/// Appends a frame to `out`: masked by a client (`key` given, fresh and unpredictable for each frame, section 5.3), plain by
/// a server. `fin` is `false` for all but the last fragment of a message.
pub fn frame(out: &mut Vec<u8>, fin: bool, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) {
    let header_bytes = header(&FrameHeader { fin, opcode, key, payload_len: payload.len() as u64 });
    out.reserve(header_bytes.as_ref().len() + payload.len());
    out.extend_from_slice(header_bytes.as_ref());
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        apply_mask(&mut out[start..], key, 0);
    }
}

/// Appends a Close frame to `out`. A reason over 123 bytes is clipped between two characters; without a code there is no
/// body and the reason is left out (section 5.5.1).
pub fn close(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str, key: Option<[u8; 4]>) {
    let mut body = [0; 125];
    let mut len = 0;
    if let Some(code) = code {
        let reason = clip_reason(reason).as_bytes();
        body[..2].copy_from_slice(&code.get().to_be_bytes());
        body[2..2 + reason.len()].copy_from_slice(reason);
        len = 2 + reason.len();
    }
    frame(out, true, Opcode::Close, &body[..len], key);
}
