//! Protocol violations of a peer, and the close code of each.

use std::fmt;

use super::CloseCode;

/// A protocol violation by the peer. The connection is failed with [`ProtocolError::close_code`] (RFC 6455, section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// A reserved bit that no negotiated extension uses is set (section 5.2).
    ReservedBits,
    /// A frame that is not the first of a message is marked as compressed (RFC 7692, section 6).
    MisplacedCompression,
    /// A message that is marked as compressed is not valid DEFLATE data (RFC 7692, section 7.2.2).
    InvalidCompression,
    /// A compressed message takes far more work than its size justifies (RFC 7692, section 8): it has many streams, or many empty blocks.
    CostlyCompression,
    /// An opcode is reserved (section 5.2).
    ReservedOpcode(u8),
    /// A client's frame is not masked (section 5.1).
    NotMasked,
    /// A server's frame is masked (section 5.1).
    Masked,
    /// A payload length is encoded in more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// A payload length has its highest bit set (section 5.2).
    LengthOverflow,
    /// A control frame has more than 125 bytes of payload (section 5.5).
    ControlTooLong,
    /// A control frame is fragmented (section 5.5).
    ControlFragmented,
    /// A continuation frame arrives outside a fragmented message (section 5.4).
    UnexpectedContinuation,
    /// A new message begins inside a fragmented one (section 5.4).
    ExpectedContinuation,
    /// A text message or a close reason is not UTF-8 (sections 5.6 and 8.1).
    InvalidUtf8,
    /// A Close frame has a body of one byte (section 5.5.1).
    CloseBodyTooShort,
    /// A Close frame has a code that must not be sent (section 7.4).
    InvalidCloseCode(u16),
    /// A message, compressed or not, exceeds the limit of bytes, [`DecoderConfig::max_message`](super::DecoderConfig).
    MessageTooBig,
    /// A message has more frames than the limit, [`DecoderConfig::max_frames`](super::DecoderConfig).
    TooManyFrames,
}

impl ProtocolError {
    /// Returns the code to close the connection with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCompression => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFrames | Self::CostlyCompression => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Describes the violation in a few words that fit a close reason.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bit set without an extension",
            Self::MisplacedCompression => "only a message's first frame can be marked as compressed",
            Self::InvalidCompression => "message is not compressed as it says",
            Self::CostlyCompression => "message takes too much work to decompress",
            Self::ReservedOpcode(_) => "reserved opcode",
            Self::NotMasked => "frame from a client without a mask",
            Self::Masked => "frame from a server with a mask",
            Self::NonMinimalLength => "payload length not in its shortest form",
            Self::LengthOverflow => "payload length with the highest bit set",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::ControlFragmented => "control frame in fragments",
            Self::UnexpectedContinuation => "continuation frame outside a message",
            Self::ExpectedContinuation => "new message inside a fragmented one",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::CloseBodyTooShort => "close frame with a body of one byte",
            Self::InvalidCloseCode(_) => "illegal close code",
            Self::MessageTooBig => "message too big",
            Self::TooManyFrames => "message in too many frames",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())?;
        match self {
            Self::ReservedOpcode(opcode) => write!(f, " {opcode:#x}"),
            Self::InvalidCloseCode(code) => write!(f, " {code}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The reason why a decoder stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The caller's [`Buffers`](super::Buffers) refused memory. This is a limit of the receiver, not a fault of the peer.
    OutOfBuffers,
}

impl DecodeError {
    /// Returns the code to close the connection with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(error) => error.close_code(),
            Self::OutOfBuffers => CloseCode::TRY_AGAIN_LATER,
        }
    }
}

impl From<ProtocolError> for DecodeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::OutOfBuffers => f.write_str("out of buffer memory"),
        }
    }
}

impl std::error::Error for DecodeError {}
