//! How the connections of a listener begin.

use crate::worker::table::{Protocol, TransportKind};

/// How the connections of a listener begin. All workers have the same options for a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenerOptions {
    pub(crate) transport: TransportKind,
    /// Parses the bytes that precede the first byte of the transport; `None` when there are none.
    pub(crate) preamble: Option<ParsePreamble>,
}

/// Finds the end of a preamble in the first bytes of a connection. Returns the length of the preamble in bytes, or `None` when it is
/// incomplete. The caller calls it again with the same bytes and more.
pub(crate) type ParsePreamble = fn(&[u8]) -> Result<Option<usize>, PreambleError>;

/// The first bytes of a connection are not the preamble that its listener demands. The worker closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreambleError;

impl ListenerOptions {
    /// Options without a preamble, and with the plain transport.
    pub(crate) const PLAIN: Self = Self { transport: TransportKind::Plain, preamble: None };

    /// Returns the transport and the protocol of a connection that was just accepted. A preamble precedes the transport, so that it is read
    /// as plain bytes.
    pub(in crate::worker) const fn initial_tags(self) -> (TransportKind, Protocol) {
        match self.preamble {
            Some(_) => (TransportKind::Plain, Protocol::Preamble),
            None => (self.transport, Protocol::Opening),
        }
    }
}
