//! The limits of a decoder.

use super::Role;

/// What a [`Decoder`](super::Decoder) accepts.
#[derive(Debug, Clone, Copy)]
pub struct DecoderConfig {
    /// Which end we are.
    pub role: Role,
    /// Most payload bytes of a message, over all its frames.
    pub max_message: usize,
    /// Most frames of a message.
    pub max_frames: u32,
    /// Whether permessage-deflate is negotiated: messages may be marked as compressed then.
    pub deflate: bool,
}

impl DecoderConfig {
    /// Most payload bytes of a message on the wire.
    ///
    /// DEFLATE makes of a message that cannot be compressed at most an eighth more and a few bytes, however badly it is used: a
    /// literal has at most 9 bits in a block with fixed codes (RFC 1951, section 3.2.6). So what is over this is over
    /// `max_message` once it is decompressed, or blown up on purpose.
    pub(crate) const fn max_payload(&self, compressed: bool) -> usize {
        if compressed { self.max_message.saturating_add(self.max_message / 8 + 64) } else { self.max_message }
    }
}
