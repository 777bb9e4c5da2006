//! What came back in the end.

use serde::{Deserialize, Serialize};

use super::run::EchoPlan;
use crate::measure::distribution::Distribution;
use crate::measure::reasons::Reasons;

/// What echoes came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Echoed {
    /// Connections that took part.
    pub(crate) connections: u64,
    pub(crate) depth: u32,
    pub(crate) size: u64,
    pub(crate) rate: Option<f64>,
    pub(crate) seconds: f64,
    /// Messages whose (planned) time was in the measured time.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages that came back compressed, from the first one on.
    #[serde(default)]
    pub(crate) compressed: u64,
    pub(crate) per_second: f64,
    /// What did not come back as it was sent, by reason, from the first message on.
    pub(crate) wrong: Reasons,
    pub(crate) behind_us: u64,
    pub(crate) latency_us: Distribution,
}

impl Echoed {
    /// Whether every message came back as it was sent.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.received == self.sent && self.sent > 0
    }

    /// Begins the report of a plan.
    pub(crate) fn of(plan: &EchoPlan) -> Self {
        Self {
            depth: plan.depth,
            size: plan.size as u64,
            rate: plan.rate,
            seconds: plan.time.as_secs_f64(),
            ..Self::default()
        }
    }

    /// Adds what others counted in the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.sent += other.sent;
        self.received += other.received;
        self.compressed += other.compressed;
        let per_second = self.received as f64 / self.seconds;
        self.per_second = if per_second.is_finite() { per_second } else { 0.0 };
        self.wrong += &other.wrong;
        self.behind_us = self.behind_us.max(other.behind_us);
        self.latency_us.add(&other.latency_us);
    }
}
