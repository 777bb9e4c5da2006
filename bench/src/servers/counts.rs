//! What servers say of themselves.

use serde::{Deserialize, Serialize};

/// The line that tells that every worker listens; that of `throng serve` has the same fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadyLine {
    /// Always `true`.
    pub(crate) ready: bool,
    /// Where it listens.
    pub(crate) listen: Vec<String>,
    /// Where its admin port is; the floor has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<String>,
    /// The number of workers.
    pub(crate) workers: usize,
    /// Whether each has a descriptor table of its own.
    pub(crate) private_tables: bool,
}

/// The answer to `stats`. What it has in common with throng's has the same name and meaning there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FloorStats {
    /// Connections open now.
    pub(crate) open: u64,
    /// Connections accepted since the start.
    pub(crate) accepted: u64,
    /// Pings sent.
    pub(crate) pings_sent: u64,
    /// Answers to Pings.
    pub(crate) pongs_received: u64,
    /// From Ping to answer: pairs of a bucket's highest value in microseconds and its count, as of the last second.
    pub(crate) ping_rtt_us: Vec<(u64, u64)>,
}

/// What both servers count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerCounts {
    /// Connections open now.
    pub(crate) open: u64,
    /// Pings sent since the start.
    pub(crate) pings_sent: u64,
    /// Pongs received since the start.
    pub(crate) pongs_received: u64,
    /// Connections dropped because a Pong did not come in time. The floor drops none.
    pub(crate) pong_timeouts: u64,
    /// From Ping to Pong since the start: pairs of a bucket's highest value in microseconds and its count.
    pub(crate) ping_rtt_us: Vec<(u64, u64)>,
}
