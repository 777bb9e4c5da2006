//! How a peer can break the protocol, and the close code each way maps to.

use std::fmt;

use super::CloseCode;

/// The peer's fault: the connection is failed with [`ProtocolError::close_code`] (RFC 6455, section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// A reserved bit is set that no negotiated extension uses (section 5.2).
    ReservedBits,
    /// A frame marked as compressed that is not the first of a message (RFC 7692, section 6).
    MisplacedCompression,
    /// A message that is marked as compressed and is not (RFC 7692, section 7.2.2).
    InvalidCompression,
    /// A compressed message that takes far more work than its size (RFC 7692, section 8): many streams, or many blocks with
    /// nothing in them.
    CostlyCompression,
    /// An opcode with no meaning (section 5.2).
    ReservedOpcode(u8),
    /// A client's frame is not masked (section 5.1).
    NotMasked,
    /// A server's frame is masked (section 5.1).
    Masked,
    /// A payload length in more bytes than it needs (section 5.2).
    NonMinimalLength,
    /// A payload length with its highest bit set (section 5.2).
    LengthOverflow,
    /// A control frame with over 125 bytes of payload (section 5.5).
    ControlTooLong,
    /// A control frame in fragments (section 5.5).
    ControlFragmented,
    /// A continuation of no message (section 5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented one (section 5.4).
    ExpectedContinuation,
    /// A text or a close reason that is not UTF-8 (sections 5.6 and 8.1).
    InvalidUtf8,
    /// A Close frame with a body of one byte (section 5.5.1).
    CloseBodyTooShort,
    /// A close code that must not travel (section 7.4).
    InvalidCloseCode(u16),
    /// A message over the limit of bytes, [`DecoderConfig::max_message`](super::DecoderConfig), compressed or not.
    MessageTooBig,
    /// A message in more frames than the limit, [`DecoderConfig::max_frames`](super::DecoderConfig).
    TooManyFrames,
}

impl ProtocolError {
    /// The code to close with.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCompression => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFrames | Self::CostlyCompression => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// What the peer did, short enough for a close reason.
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

/// Why decoding cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The caller's [`Buffers`](super::Buffers) had no more memory to give: our limit, not the peer's fault.
    OutOfBuffers,
}

impl DecodeError {
    /// The code to close with.
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
