//! What the connections of a listener begin with.

use crate::worker::table::{Protocol, TransportKind};

/// What the connections of a listener begin with, which is the same in all workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenerOptions {
    pub(crate) transport: TransportKind,
    /// What comes before the first byte of the transport, if anything does.
    pub(crate) preamble: Option<ParsePreamble>,
}

/// Finds the end of a preamble in the first bytes of a connection, and returns how many bytes it has; `None` when it needs more. It is called again
/// with what it had and more.
pub(crate) type ParsePreamble = fn(&[u8]) -> Result<Option<usize>, PreambleError>;

/// The first bytes of a connection are not the preamble that its listener demands. The connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreambleError;

impl ListenerOptions {
    /// No preamble, and bytes as they are.
    pub(crate) const PLAIN: Self = Self { transport: TransportKind::Plain, preamble: None };

    /// The transport and the protocol of a connection that was just accepted. A preamble is in front of the transport, so it passes as it is.
    pub(in crate::worker) const fn at_first(self) -> (TransportKind, Protocol) {
        match self.preamble {
            Some(_) => (TransportKind::Plain, Protocol::Preamble),
            None => (self.transport, Protocol::Opening),
        }
    }
}
