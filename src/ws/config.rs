//! The limits of a decoder.

use super::Role;

/// The limits that a [`Decoder`](super::Decoder) enforces, and its role.
#[derive(Debug, Clone, Copy)]
pub struct DecoderConfig {
    /// The end of the connection that decodes.
    pub role: Role,
    /// The most payload bytes of a message, over all its frames.
    pub max_message: usize,
    /// The most frames of a message.
    pub max_frames: u32,
    /// Whether permessage-deflate is negotiated, so that messages may be marked as compressed.
    pub deflate: bool,
}

impl DecoderConfig {
    /// Returns the most payload bytes of a message on the wire.
    ///
    /// DEFLATE enlarges a message that it cannot compress by at most an eighth and a few bytes, even with the worst encoder: a literal has
    /// at most 9 bits in a block with fixed codes (RFC 1951, section 3.2.6). A longer payload either exceeds `max_message` once it is
    /// decompressed, or is enlarged on purpose.
    pub(crate) const fn max_payload(&self, compressed: bool) -> usize {
        if compressed { self.max_message.saturating_add(self.max_message / 8 + 64) } else { self.max_message }
    }
}
