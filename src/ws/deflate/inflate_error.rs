//! Errors of decompression.

use crate::ws::ProtocolError;

/// The reason why a message cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// The message is not DEFLATE (RFC 1951), ends inside a block, or refers to bytes outside its context.
    Corrupt,
    /// The message has more decompressed bytes than the limit.
    TooBig,
    /// The message has more streams, or more blocks for its size, than any compressor writes: it is crafted to cost time.
    TooCostly,
}

impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Corrupt => Self::InvalidCompression,
            InflateError::TooBig => Self::MessageTooBig,
            InflateError::TooCostly => Self::CostlyCompression,
        }
    }
}
