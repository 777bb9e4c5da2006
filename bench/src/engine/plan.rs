//! What an engine is to do.

use std::sync::Arc;
use std::time::Duration;

use super::compression::Compression;
use super::feed::Feed;
use super::sources::Sources;
use super::target::{Numbers, Target};
use crate::measure::threads::{Threads, dealt};

/// What an engine is to do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where to connect to, in turn.
    pub(crate) targets: Vec<Target>,
    /// Where to connect from, in turn.
    pub(crate) sources: Sources,
    /// Connections to open, over all threads.
    pub(crate) connections: usize,
    /// The threads that share them.
    pub(crate) threads: Threads,
    /// Most connections, over all threads, that are being opened or closed at the same time.
    pub(crate) in_flight: usize,
    /// Connections to begin per second, over all threads; `None` for as many as can be.
    pub(crate) rate: Option<f64>,
    /// Only connect: no WebSocket handshake, and a reset for an end.
    pub(crate) raw: bool,
    /// Send the key of RFC 6455, section 1.3, in every handshake: floors have one answer, written in advance.
    pub(crate) sample_key: bool,
    /// What is offered in every handshake, if anything.
    pub(crate) compression: Option<Compression>,
    /// What stands for `{n}` in a target's path.
    pub(crate) numbers: Numbers,
    /// What the connections are to receive, if they are subscribers.
    pub(crate) feed: Option<Arc<Feed>>,
    /// How long the other side may take.
    pub(crate) timeouts: Timeouts,
    /// What masking keys and nonces are drawn from.
    pub(crate) seed: u64,
}

/// How long the other side may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// The kernel, to connect.
    pub(crate) connect: Duration,
    /// The server, to answer the upgrade request.
    pub(crate) handshake: Duration,
    /// The server, to finish the closing handshake and end the connection.
    pub(crate) close: Duration,
}

impl Plan {
    /// Connections of the thread with this number.
    pub(crate) const fn share(&self, thread: usize) -> usize {
        dealt(self.connections, self.threads.count, thread)
    }

    /// Whom the connection with this number is to.
    pub(super) fn target(&self, number: usize) -> &Target {
        // Sources turn fastest; a destination is used with each of them before the next one is.
        &self.targets[number / self.sources.count() % self.targets.len()]
    }
}
