//! The encoder of frames, for both roles (RFC 6455, section 5.2).

use super::close::clip_reason;
use super::frame::{MAX_CONTROL, MAX_HEADER, RSV1};
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

/// Returns the wire form of a header, with the length in as few bytes as possible (RFC 6455-5.2-5). RSV1 is set only for a compressed
/// message, and RSV2 and RSV3 never are (RFC 6455-5.2-1 and RFC 7692-6.1-2).
#[must_use]
#[inline]
pub fn header(header: &FrameHeader) -> HeaderBytes {
    let mut bytes = [0; MAX_HEADER];
    bytes[0] = (u8::from(header.fin) << 7) | if header.compressed { RSV1 } else { 0 } | header.opcode as u8;
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

/// Returns the bytes on the wire of a server's frame with a payload of `payload_len` bytes. A client's frame has four more for the masking
/// key.
#[must_use]
pub const fn frame_len(payload_len: usize) -> usize {
    header_len(payload_len) + payload_len
}

/// The FIN bit of a frame (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fin {
    /// The frame is the last, or only, fragment of its message.
    Set,
    /// Further fragments of the message follow.
    Clear,
}

impl From<bool> for Fin {
    fn from(is_last: bool) -> Self {
        if is_last { Self::Set } else { Self::Clear }
    }
}

/// Appends a frame with FIN set to `out`: an unfragmented message, the last fragment of a message, or a control frame.
///
/// A client masks the frame with a `key` that is fresh and unpredictable for each frame (section 5.3); a server passes `None`
/// (RFC 6455-5.1-3). The payload of a control frame has at most 125 bytes (RFC 6455-5.5-1), and a control frame is never fragmented
/// (RFC 6455-5.4-2 and 6455-5.5-2).
pub fn frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) {
    fragment(out, Fin::Set, opcode, payload, key);
}

/// Appends a frame as [`frame`] does, with FIN as given. FIN is clear in all fragments of a message but the last (RFC 6455-6.1-5).
pub fn fragment(out: &mut Vec<u8>, fin: Fin, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) {
    let fin = fin == Fin::Set;
    debug_assert!(!opcode.is_control() || (fin && payload.len() <= MAX_CONTROL), "an illegal control frame");
    write(
        out,
        &FrameHeader { fin, compressed: false, opcode, key, payload_len: payload.len() as u64 },
        payload,
    );
}

/// Appends an unfragmented compressed message as [`frame`] does. `payload` is the output of a [`Deflater`](super::deflate::Deflater).
pub fn compressed_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) {
    compressed_fragment(out, Fin::Set, opcode, payload, key);
}

/// Appends the first fragment of a compressed message. [`fragment`] appends the fragments after it.
pub fn compressed_fragment(
    out: &mut Vec<u8>,
    fin: Fin,
    opcode: Opcode,
    payload: &[u8],
    key: Option<[u8; 4]>,
) {
    // RFC 7692-6.1-1 and 7692-6.1-3
    debug_assert!(opcode.starts_message(), "only a message's first frame is marked");
    let fin = fin == Fin::Set;
    write(
        out,
        &FrameHeader { fin, compressed: true, opcode, key, payload_len: payload.len() as u64 },
        payload,
    );
}

/// Appends an unfragmented, unmasked message of a server.
#[inline(always)]
pub fn message(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    debug_assert!(opcode.starts_message(), "a message is text or binary");
    let len = payload.len();
    if len > MAX_SHORT {
        return write(out, &server_header(opcode, len), payload);
    }
    out.reserve(2 + len);
    short_header(opcode, len).into_iter().for_each(|byte| out.push(byte));
    out.extend_from_slice(payload);
}

/// Writes the header of an unfragmented message of a server to the start of `out`. The payload begins [`header_len`] bytes after the start.
#[inline(always)]
pub fn header_in_place(out: &mut [u8], opcode: Opcode, payload_len: usize) {
    // Written in one piece for each form of the length: this runs once for each echoed message.
    match payload_len {
        0..=MAX_SHORT => out[..2].copy_from_slice(&short_header(opcode, payload_len)),
        126..=0xffff => {
            let [.., high, low] = payload_len.to_be_bytes();
            out[..4].copy_from_slice(&[0x80 | opcode as u8, 126, high, low]);
        }
        _ => {
            let header = header(&server_header(opcode, payload_len));
            out[..header.as_ref().len()].copy_from_slice(header.as_ref());
        }
    }
}

/// Returns the header of an unfragmented message of a server.
#[must_use]
pub const fn server_header(opcode: Opcode, payload_len: usize) -> FrameHeader {
    FrameHeader { fin: true, compressed: false, opcode, key: None, payload_len: payload_len as u64 }
}

/// The longest payload in bytes whose length fits the second byte of the header. Most messages are no longer.
const MAX_SHORT: usize = 125;

/// Returns the wire form of a [`server_header`] for at most [`MAX_SHORT`] bytes, in the fewest instructions.
#[inline(always)]
const fn short_header(opcode: Opcode, payload_len: usize) -> [u8; 2] {
    debug_assert!(payload_len <= MAX_SHORT);
    #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
    [0x80 | opcode as u8, payload_len as u8]
}

/// Returns the header bytes of an unfragmented frame of a server.
#[must_use]
#[inline]
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

fn write(out: &mut Vec<u8>, frame: &FrameHeader, payload: &[u8]) {
    let header_bytes = header(frame);
    out.reserve(header_bytes.as_ref().len() + payload.len());
    // RFC 6455-6.1-3
    out.extend_from_slice(header_bytes.as_ref());
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = frame.key {
        apply_mask(&mut out[start..], key, 0);
    }
}

/// Appends a Close frame to `out`. A reason over 123 bytes is clipped on a character boundary. Without a code the frame has no body, and
/// the reason is left out (RFC 6455-5.5.1-1).
pub fn close(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str, key: Option<[u8; 4]>) {
    let mut body = [0; 125];
    let mut len = 0;
    if let Some(code) = code {
        let reason = clip_reason(reason).as_bytes();
        body[..2].copy_from_slice(&code.get().to_be_bytes());
        body[2..2 + reason.len()].copy_from_slice(reason);
        len = 2 + reason.len();
    }
    frame(out, Opcode::Close, &body[..len], key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::Role;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Checks the length of the header for payload lengths at the limits of the three length formats.
    const EDGES: [(usize, &[u8]); 6] = [
        (0, &[0x82, 0]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        (65_537, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1]),
    ];

    #[test]
    fn a_length_takes_the_shortest_form_and_frame_len_knows_it() {
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(65_537).collect();
        for (len, head) in EDGES {
            let mut plain = Vec::new();
            frame(&mut plain, Opcode::Binary, &payload[..len], None);
            assert_eq!(plain, [head, &payload[..len]].concat());
            assert_eq!(plain.len(), frame_len(len));
            let mut in_place = [7; 14];
            header_in_place(&mut in_place, Opcode::Binary, len);
            assert_eq!(in_place.split_at(header_len(len)), (head, &[7; 14][head.len()..]));

            let mut masked = Vec::new();
            frame(&mut masked, Opcode::Binary, &payload[..len], Some(KEY));
            let mut expected = [head, &KEY].concat();
            expected[1] |= 0x80;
            expected.extend(payload[..len].iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
            assert_eq!(masked, expected);
            assert_eq!(masked.len(), frame_len(len) + KEY.len());
        }
    }

    #[test]
    fn what_is_already_in_the_output_stays() {
        let mut out = b"before".to_vec();
        fragment(&mut out, Fin::Clear, Opcode::Text, b"Hel", Some(KEY));
        frame(&mut out, Opcode::Continuation, b"lo", None);
        assert_eq!(out, b"before\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d\x80\x02lo");
    }

    #[test]
    fn every_header_is_read_back() {
        for payload_len in [0, 1, 125, 126, 65_535, 65_536, (1 << 63) - 1] {
            for (role, key) in [(Role::Client, None), (Role::Server, Some(KEY))] {
                for (fin, compressed) in [(false, false), (true, false), (false, true), (true, true)] {
                    let written = FrameHeader { fin, compressed, opcode: Opcode::Text, key, payload_len };
                    let bytes = header(&written);
                    let bytes = bytes.as_ref();
                    let parse = |bytes: &[u8]| FrameHeader::parse_extended(bytes, role, compressed);
                    assert_eq!(parse(bytes), Ok(Some((written, bytes.len()))));
                    for end in 0..bytes.len() {
                        assert_eq!(parse(&bytes[..end]), Ok(None), "{written:?} to {end}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_close_is_a_legal_control_frame_whatever_its_reason() {
        let written = |code, reason: &str| {
            let mut out = Vec::new();
            close(&mut out, code, reason, None);
            out
        };
        assert_eq!(written(None, "dropped"), [0x88, 0]);
        assert_eq!(written(Some(CloseCode::NORMAL), ""), [0x88, 2, 0x03, 0xe8]);
        assert_eq!(written(Some(CloseCode::GOING_AWAY), "bye"), b"\x88\x05\x03\xe9bye");
        let clipped = written(Some(CloseCode::NORMAL), &"é".repeat(100));
        assert_eq!(clipped, [&[0x88, 124, 0x03, 0xe8], "é".repeat(61).as_bytes()].concat());
        assert_eq!(written(Some(CloseCode::NORMAL), &"x".repeat(200)).len(), 2 + 125);
    }

    #[test]
    #[cfg(debug_assertions)]
    fn an_illegal_control_frame_is_a_bug_of_the_caller() {
        let panics = |fin, len| {
            std::panic::catch_unwind(|| fragment(&mut Vec::new(), fin, Opcode::Ping, &[0; 126][..len], None))
        };
        assert!(panics(Fin::Set, 125).is_ok());
        assert!(panics(Fin::Set, 126).is_err());
        assert!(panics(Fin::Clear, 0).is_err());
    }
}
