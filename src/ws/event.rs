//! What a peer has said.

use super::{CloseFrame, Opcode, ProtocolError};

/// A whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, checked to be UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The message whose first frame has the opcode `opcode`.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidUtf8`] for a text that is none (RFC 6455-5.6-1 and 6455-8.1-1).
    pub fn new(opcode: Opcode, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        debug_assert!(opcode.starts_message(), "a message is text or binary");
        Ok(match opcode {
            Opcode::Text => Self::Text(std::str::from_utf8(payload).map_err(|_| ProtocolError::InvalidUtf8)?),
            _ => Self::Binary(payload),
        })
    }

    /// The opcode of the message's first frame.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    /// The payload.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// What a peer has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message is complete.
    Message(Message<'a>),
    /// A message is complete that is compressed: the payload is as it travelled. An
    /// [`Inflater`](super::deflate::Inflater) decompresses it, and [`Message::new`] judges what comes out.
    Compressed {
        /// Text or binary.
        opcode: Opcode,
        /// The payload of all its frames.
        payload: &'a [u8],
    },
    /// A Ping with its payload, at most 125 bytes: answer it with a Pong of the same.
    Ping(&'a [u8]),
    /// A Pong with its payload, at most 125 bytes.
    Pong(&'a [u8]),
    /// A Close: whatever follows it is to be ignored.
    Close(CloseFrame<'a>),
}
