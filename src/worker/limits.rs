//! The limits that a worker enforces, from its server's configuration.

use std::time::Duration;

use crate::base::meter::Allowance;
use crate::budget::enveloped;
use crate::budget::{
    ACCEPTS_PER_ITERATION, EXPIRIES_PER_ITERATION, PINGS_PER_ITERATION, SLICE_PER_ITERATION,
};
use crate::choices;
use crate::http::HeadLimits;
use crate::ws::DecoderConfig;
use crate::ws::deflate::{ContextTakeover, DeflateParams};

choices! {
    /// Which connections are sent Pings.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum PingPolicy {
        /// A connection is sent a Ping when it has been silent for 0.5 to 1.5 times the interval. The time differs between connections, so
        /// that clients that sent at the same moment are not all sent Pings at the same moment. Any input from the client answers a Ping.
        #[default]
        WhenIdle = "idle",
        /// Each connection is sent a Ping once in each interval, and the first one 0.5 to 1.5 times the interval after the connection was
        /// opened. Only the Pong to a Ping answers it.
        Always = "always",
    }
}

/// How messages are compressed for clients that negotiate compression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deflation {
    pub(crate) context: ContextTakeover,
    /// The compression level, from 1, the fastest, to 9, the smallest.
    pub(crate) level: i32,
    /// Messages with fewer bytes are sent uncompressed.
    pub(crate) threshold: usize,
}

/// The limits and times of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Sockets that all workers together may hold.
    pub(crate) server_connections: usize,
    /// Sockets that this worker may hold.
    pub(crate) worker_connections: usize,
    /// Sockets beyond either limit that this worker may hold to refuse them.
    pub(crate) refusals: usize,
    pub(crate) head: HeadLimits,
    /// The limits of decoders. The longest message, and whether messages may be compressed, depend on the connection.
    pub(crate) decoder: DecoderConfig,
    /// `None` when nothing is compressed.
    pub(crate) deflation: Option<Deflation>,
    /// Most bytes queued for one connection.
    pub(crate) outbox: usize,
    /// Most bytes of pooled buffers in use.
    pub(crate) buffers: usize,
    /// The part of `buffers` that one connection must be able to use, for its longest message and its outbox, in bytes.
    pub(crate) least_buffers: usize,
    /// Most bytes of shared frames in all outboxes. A frame counts once for each outbox that it is in.
    pub(crate) backlog: usize,
    /// The work that is done at a time.
    pub(crate) work: Allowance,
    /// Bytes of free small buffers that are kept for reuse. All large ones are kept.
    pub(crate) spare_buffers: usize,
    pub(crate) handshake_timeout: Duration,
    /// Time for a decision on a request whose verdict the handler has postponed.
    pub(crate) decision_timeout: Duration,
    /// Time within which a message must be complete; `None` means no limit.
    pub(crate) message_timeout: Option<Duration>,
    /// `None` when no Pings are sent.
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) ping_policy: PingPolicy,
    pub(crate) pong_timeout: Duration,
    /// The fewest bytes a second that a peer must take while its Pong is late because output precedes the Ping.
    pub(crate) slowest_reader: u64,
    pub(crate) close_timeout: Duration,
    pub(crate) budgets: Budgets,
}

/// How much of each kind an iteration does. Servers have the [default](Self::default). Tests have less, so that a few connections are as
/// good as many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budgets {
    /// Readiness events per wait, which the simulated system observes as Linux does its own limit.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) events: usize,
    pub(crate) accepts: usize,
    /// Connections that a broadcast, or the closing of all connections, visits.
    pub(crate) slice: u32,
    /// Timers of each kind.
    pub(crate) expiries: usize,
    pub(crate) pings: u64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            #[cfg(any(test, feature = "simulation"))]
            events: crate::budget::EVENTS_PER_WAIT,
            accepts: ACCEPTS_PER_ITERATION,
            slice: SLICE_PER_ITERATION,
            expiries: EXPIRIES_PER_ITERATION,
            pings: PINGS_PER_ITERATION,
        }
    }
}

impl Limits {
    /// Returns the most bytes of a message for a connection with these parameters.
    pub(in crate::worker) const fn max_message(&self, params: DeflateParams) -> usize {
        let most = self.decoder.max_message;
        if params.is_enveloped() { enveloped(most) } else { most }
    }

    /// Returns the decoder configuration for a connection with these parameters.
    pub(in crate::worker) const fn decoder_config(&self, params: DeflateParams) -> DecoderConfig {
        DecoderConfig {
            deflate: params.is_negotiated(),
            max_message: self.max_message(params),
            ..self.decoder
        }
    }
}
