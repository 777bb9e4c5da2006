//! The frame header (RFC 6455, section 5.2). The parser applies each rule as soon as the bytes that decide it have arrived.

use super::ProtocolError;

/// The local end of a connection. It decides which direction is masked (RFC 6455, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The local end is the server: received frames must be masked, sent frames are not.
    Server,
    /// The local end is the client: sent frames are masked, received frames must not be.
    Client,
}

/// The opcode of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A request for a Pong, which shows that the peer is alive.
    Ping = 0x9,
    /// The answer to a Ping.
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, ProtocolError> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            // RFC 6455-5.2-3
            reserved => return Err(ProtocolError::ReservedOpcode(reserved)),
        })
    }

    /// Returns whether the frame is a Close, Ping or Pong. A control frame is never fragmented and has at most 125 bytes of payload.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// Returns whether the frame is the first of a message.
    #[must_use]
    pub const fn starts_message(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }
}

/// The longest payload of a control frame in bytes (section 5.5).
pub(super) const MAX_CONTROL: usize = 125;
/// The longest header in bytes: two, eight of the payload length, and four of the masking key.
pub(crate) const MAX_HEADER: usize = 14;

/// The reserved bits of the first byte, whose meaning extensions define (section 5.2).
pub(super) const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// RSV1: the frame is the first of a compressed message (RFC 7692, section 6).
    pub compressed: bool,
    /// The opcode of the frame.
    pub opcode: Opcode,
    /// The masking key; `None` for an unmasked frame.
    pub key: Option<[u8; 4]>,
    /// The length of the payload in bytes, below 2^63.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Parses a header at the start of `input` for a connection without extensions. Returns the header and its length in bytes, or `None`
    /// while it is incomplete. The parser applies each rule as soon as the bytes that decide it are in `input`.
    ///
    /// # Errors
    /// Returns an error for a header that the peer of a `role` must not send.
    #[inline]
    pub fn parse(input: &[u8], role: Role) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_extended(input, role, false)
    }

    /// Parses a header as [`parse`](Self::parse) does. `deflate` is whether permessage-deflate is negotiated, which defines RSV1.
    #[inline]
    pub(super) fn parse_extended(
        input: &[u8],
        role: Role,
        deflate: bool,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let compressed = first & RSV1 != 0;
        // RFC 6455-5.2-2
        if first & (RSV2 | RSV3) != 0 || (compressed && !deflate) {
            return Err(ProtocolError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0f)?;
        // RFC 7692-6.1-4
        if compressed && !opcode.starts_message() {
            return Err(ProtocolError::MisplacedCompression);
        }
        // RFC 6455-5.5-2
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFragmented);
        }
        let Some(&second) = input.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        match role {
            // RFC 6455-5.1-2
            Role::Server if !masked => return Err(ProtocolError::NotMasked),
            Role::Client if masked => return Err(ProtocolError::Masked),
            _ => {}
        }
        let short_len = second & 0x7f;
        // RFC 6455-5.5-1
        if opcode.is_control() && usize::from(short_len) > MAX_CONTROL {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((payload_len, after_len)) = parse_length(short_len, input)? else { return Ok(None) };
        if !masked {
            return Ok(Some((Self { fin, compressed, opcode, key: None, payload_len }, after_len)));
        }
        let Some(key) = input.get(after_len..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        Ok(Some((Self { fin, compressed, opcode, key: Some(*key), payload_len }, after_len + key.len())))
    }
}

/// Returns the payload length and the offset of the byte after it (RFC 6455-5.2-4 and 6455-5.2-5).
fn parse_length(short_len: u8, input: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    match short_len {
        126 => {
            let Some(bytes) = input.get(2..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            let len = u16::from_be_bytes(*bytes);
            if len < 126 { Err(ProtocolError::NonMinimalLength) } else { Ok(Some((len.into(), 4))) }
        }
        127 => {
            let Some(bytes) = input.get(2..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            let len = u64::from_be_bytes(*bytes);
            if len >> 63 != 0 {
                Err(ProtocolError::LengthOverflow)
            } else if len <= u16::MAX.into() {
                Err(ProtocolError::NonMinimalLength)
            } else {
                Ok(Some((len, 10)))
            }
        }
        len => Ok(Some((len.into(), 2))),
    }
}
