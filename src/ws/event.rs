//! Messages and control frames that a decoder returns.

use super::{CloseFrame, Opcode, ProtocolError};

/// A whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, checked to be valid UTF-8.
    Text(&'a str),
    /// Binary data.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Returns the message with this payload whose first frame has the opcode `opcode`.
    ///
    /// # Errors
    /// Returns [`ProtocolError::InvalidUtf8`] for a text message whose payload is not UTF-8 (RFC 6455-5.6-1 and 6455-8.1-1).
    pub fn new(opcode: Opcode, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        debug_assert!(opcode.starts_message(), "a message is text or binary");
        Ok(match opcode {
            Opcode::Text => Self::Text(std::str::from_utf8(payload).map_err(|_| ProtocolError::InvalidUtf8)?),
            _ => Self::Binary(payload),
        })
    }

    /// Returns the opcode of the message's first frame.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    /// Returns the payload.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A message or a control frame that a peer has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An uncompressed message has arrived completely.
    Message(Message<'a>),
    /// A compressed message has arrived completely; its payload is still compressed. An [`Inflater`](super::deflate::Inflater) decompresses
    /// the payload, and [`Message::new`] checks the result.
    Compressed {
        /// The message's opcode, text or binary.
        opcode: Opcode,
        /// The compressed payload of all the message's frames.
        payload: &'a [u8],
    },
    /// A Ping with its payload of at most 125 bytes. The receiver answers with a Pong that has the same payload.
    Ping(&'a [u8]),
    /// A Pong with its payload of at most 125 bytes.
    Pong(&'a [u8]),
    /// A Close. The receiver ignores all data after it.
    Close(CloseFrame<'a>),
}
