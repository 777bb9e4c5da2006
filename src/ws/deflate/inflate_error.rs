//! Why a message cannot be decompressed.

use crate::ws::ProtocolError;

/// Why a message cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// It is not DEFLATE (RFC 1951), ends inside a block, or refers to bytes that it may not refer to.
    Corrupt,
    /// It has more bytes than are allowed.
    TooBig,
    /// It has more streams, or more blocks for its size, than any compressor makes: it is crafted to cost time.
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
