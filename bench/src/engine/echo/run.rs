//! Which messages an engine sends that are to come back, and when.

use std::time::{Duration, Instant};

use super::payload::{Pattern, Payload};

/// What is to be echoed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EchoPlan {
    /// Connections that take part, over all threads: as many of those that opened, evenly spread over them.
    pub(crate) connections: usize,
    /// Most messages of a connection on their way at the same time.
    pub(crate) depth: u32,
    /// Bytes of each message.
    pub(crate) size: usize,
    /// Messages per second, over all connections; `None` for a closed loop.
    pub(crate) rate: Option<f64>,
    /// What the messages hold.
    pub(crate) payload: Payload,
    /// Time before the measured time, in which messages go but do not count.
    pub(crate) warm_up: Duration,
    /// The measured time.
    pub(crate) time: Duration,
    /// How long echoes may take to come after it.
    pub(crate) patience: Duration,
}

/// An echo measurement that all threads of an engine take part in.
#[derive(Debug)]
pub(crate) struct EchoRun {
    pub(crate) plan: EchoPlan,
    /// The beginning of the warm-up.
    pub(super) start: Instant,
    pub(super) pattern: Pattern,
    pub(super) raw: bool,
    pub(super) seed: u64,
    pub(super) threads: usize,
}

impl EchoRun {
    pub(crate) fn new(plan: EchoPlan, start: Instant, raw: bool, seed: u64, threads: usize) -> Self {
        let pattern = Pattern::new(plan.size, plan.payload, seed);
        Self { plan, start, pattern, raw, seed, threads }
    }
}
