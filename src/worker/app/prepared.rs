//! Messages to many connections, prepared once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::worker::table::Frame;
use crate::ws::{FrameHeader, Message, Opcode, Role, encode};

/// A message for many connections: encoded once, compressed at most once, and shared until it is sent to all of them. Cheap to clone, and
/// to send to other threads.
#[derive(Clone)]
pub struct PreparedMessage(Arc<Encodings>);

struct Encodings {
    frame: Frame,
    /// Set by the first worker that has a connection with compression; `None` where compression did not make the message smaller.
    compressed: OnceLock<Option<Frame>>,
}

impl PreparedMessage {
    /// Encodes a message.
    #[must_use]
    pub fn new(message: Message<'_>) -> Self {
        let payload = message.as_bytes();
        let mut bytes = Vec::with_capacity(encode::frame_len(payload.len()));
        encode::frame(&mut bytes, message.opcode(), payload, None);
        Self::of_frame(bytes.into())
    }

    /// Makes a message of a frame that [`new`](Self::new) made. The messages share the frame, but not its compressed form.
    pub(crate) fn of_frame(frame: Frame) -> Self {
        Self(Arc::new(Encodings { frame, compressed: OnceLock::new() }))
    }

    /// Returns the message's payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        message_of(&self.0.frame).map_or(&[], |(_, payload)| payload)
    }

    /// Returns `true` for a text message, `false` for a binary one.
    #[must_use]
    pub fn is_text(&self) -> bool {
        message_of(&self.0.frame).is_some_and(|(opcode, _)| opcode == Opcode::Text)
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.0.frame
    }

    /// Returns the compressed form, or `None` where it is no smaller. Calls `compress` once to make it: another worker that needs it
    /// meanwhile blocks.
    pub(crate) fn compressed(&self, compress: impl FnOnce(Opcode, &[u8]) -> Option<Frame>) -> Option<&Frame> {
        let make = || message_of(&self.0.frame).and_then(|(opcode, payload)| compress(opcode, payload));
        self.0.compressed.get_or_init(make).as_ref()
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.payload().len();
        f.debug_struct("PreparedMessage").field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// Returns the opcode and payload of an unfragmented frame that the server made.
pub(crate) fn message_of(frame: &[u8]) -> Option<(Opcode, &[u8])> {
    let (header, len) = FrameHeader::parse(frame, Role::Client).ok()??;
    Some((header.opcode, &frame[len..]))
}
