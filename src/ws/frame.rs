//! The frame header (RFC 6455, section 5.2), read from as few bytes as settle each rule.

use super::ProtocolError;

/// Which end of the connection we are: it decides who masks (RFC 6455, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We are the server: what arrives must be masked, what leaves is not.
    Server,
    /// We are the client: the reverse.
    Client,
}

/// What a frame is.
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
    /// A sign of life that asks for one.
    Ping = 0x9,
    /// The answer.
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

    /// Whether the frame is Close, Ping or Pong: never fragmented, at most 125 bytes.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// Whether the frame is the first of a message.
    #[must_use]
    pub const fn starts_message(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }
}

/// The longest payload of a control frame in bytes (section 5.5).
pub(super) const MAX_CONTROL: usize = 125;
/// The longest header in bytes: two, eight of length, four of masking key.
pub(crate) const MAX_HEADER: usize = 14;

/// The bits of the first byte that extensions give a meaning to (section 5.2).
pub(super) const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// RSV1: the frame is the first of a message that is compressed (RFC 7692, section 6).
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; `None` for a frame that is not masked.
    pub key: Option<[u8; 4]>,
    /// Payload bytes, below 2^63.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Reads a header from the start of `input` and returns it with its length in bytes, or `None` while it is incomplete. No extension
    /// is negotiated. Each rule is applied as soon as its bytes are there.
    ///
    /// # Errors
    /// A header that the peer of a `role` must not send.
    #[inline]
    pub fn parse(input: &[u8], role: Role) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_extended(input, role, false)
    }

    /// Reads a header as [`parse`](Self::parse) does. `deflate` says whether permessage-deflate is negotiated, which gives RSV1 its
    /// meaning.
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

/// The payload length and the offset of what follows it (RFC 6455-5.2-4 and 6455-5.2-5).
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
