//! Headers, frames and messages that have arrived in part.

use super::frame::MAX_HEADER;
use super::utf8::Utf8Check;
use super::{DecoderConfig, FrameHeader, Opcode, ProtocolError};

/// The first bytes of an incomplete header.
#[derive(Debug, Default)]
pub(super) struct PartialHeader {
    /// The bytes, of which only the first `len` are valid.
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl PartialHeader {
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads a header from the kept bytes and the input, and moves `at` behind the bytes that were read. Keeps the bytes of an incomplete
    /// header and returns `None`.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        at: &mut usize,
        config: &DecoderConfig,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let kept = usize::from(self.len);
        if kept == 0
            && let Some((header, len)) = FrameHeader::parse_extended(input, config.role, config.deflate)?
        {
            *at += len;
            return Ok(Some(header));
        }
        let fresh = input.len().min(MAX_HEADER - kept);
        self.bytes[kept..kept + fresh].copy_from_slice(&input[..fresh]);
        match FrameHeader::parse_extended(&self.bytes[..kept + fresh], config.role, config.deflate)? {
            Some((header, len)) => {
                self.len = 0;
                // The header was incomplete without the input, so it ends inside it.
                *at += len - kept;
                Ok(Some(header))
            }
            None => {
                *at += fresh;
                // At most MAX_HEADER - 1 bytes are kept: MAX_HEADER bytes always complete a header.
                #[expect(clippy::cast_possible_truncation, reason = "below 14")]
                {
                    self.len = (kept + fresh) as u8;
                }
                Ok(None)
            }
        }
    }
}

/// A frame whose payload is still arriving.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialFrame {
    pub(super) header: FrameHeader,
    /// Payload bytes that have arrived, less than `header.payload_len`.
    pub(super) arrived: u64,
}

impl PartialFrame {
    /// Returns the payload bytes that have not arrived, or `usize::MAX` if they exceed a `usize`.
    pub(super) fn missing(&self) -> usize {
        usize::try_from(self.header.payload_len - self.arrived).unwrap_or(usize::MAX)
    }
}

/// A message whose last frame has not arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialMessage {
    /// The opcode of the message's first frame, text or binary (RFC 6455-6.2-3).
    pub(super) opcode: Opcode,
    pub(super) compressed: bool,
    pub(super) frames: u32,
    utf8: Utf8Check,
}

impl PartialMessage {
    pub(super) fn new(opcode: Opcode, compressed: bool) -> Self {
        Self { opcode, compressed, frames: 0, utf8: Utf8Check::default() }
    }
}

/// Checks the next piece of a message's payload if the message is uncompressed text.
pub(super) fn check_text(message: &mut Option<PartialMessage>, piece: &[u8]) -> Result<(), ProtocolError> {
    match message {
        Some(PartialMessage { opcode: Opcode::Text, compressed: false, utf8, .. }) => {
            // RFC 6455-5.6-1: a character may be split between frames.
            utf8.feed(piece).map_err(|_| ProtocolError::InvalidUtf8)
        }
        _ => Ok(()),
    }
}
