//! What a broadcast came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::sampler::Memory;

use super::args::Policy;
use crate::engine::Received;
use crate::measure::distribution::Distribution;
use crate::measure::environment::Environment;
use crate::measure::reasons::Reasons;
use crate::report::figure::Spreads;

/// The number of this form of the report.
pub(crate) const SCHEMA: u32 = 1;

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct BroadcastReport {
    pub(crate) schema: u32,
    pub(crate) date: String,
    pub(crate) environment: Environment,
    pub(crate) connections: u64,
    pub(crate) topics: u64,
    pub(crate) size: u64,
    pub(crate) in_flight: u64,
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) rounds: Vec<Measurement>,
    pub(crate) servers: Vec<Summary>,
    pub(crate) comparisons: Vec<Comparison>,
}

/// One server measured once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) server: String,
    pub(crate) round: u64,
    pub(crate) policy: Option<Policy>,
    pub(crate) deaf: u64,
    pub(crate) workers: Option<usize>,
    pub(crate) private_tables: Option<bool>,
    pub(crate) client_threads: usize,
    pub(crate) opened: u64,
    pub(crate) ramp_seconds: f64,
    pub(crate) failed: Reasons,
    pub(crate) lost: Reasons,
    pub(crate) unclean: Reasons,
    pub(crate) published: Published,
    pub(crate) received: Received,
    pub(crate) seconds: f64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) last_us: Distribution,
    pub(crate) cpu: Cpu,
    pub(crate) memory_without: Memory,
    pub(crate) memory_before: Memory,
    pub(crate) memory_peak: Memory,
    pub(crate) memory_after: Memory,
    pub(crate) loop_us: Option<Distribution>,
    pub(crate) counters: BTreeMap<String, i64>,
}

/// What was published in the measured time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// When it began, as [`now_nanos`](crate::engine::feed::now_nanos) counts.
    #[serde(skip)]
    pub(super) began: u64,
    pub(crate) batches: u64,
    pub(crate) messages: u64,
    pub(crate) expected: u64,
    pub(crate) refused: Reasons,
    pub(crate) behind_us: u64,
    pub(crate) request_us: Distribution,
}

/// Processor time from the first planned time until all had been received. What was not measured is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    pub(crate) server_us_per_delivery: Option<f64>,
    pub(crate) server_cores: Option<f64>,
    pub(crate) client_us_per_delivery: Option<f64>,
}

/// The rounds of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) server: String,
    /// [`FIGURES`](super::compare::FIGURES).
    #[serde(flatten)]
    pub(crate) figures: Spreads,
}

/// One server held against another one of the same rounds: figures of the first over those of the second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) server: String,
    pub(crate) beside: String,
    /// [`RATIOS`](super::compare::RATIOS).
    #[serde(flatten)]
    pub(crate) ratios: Spreads,
}

impl Measurement {
    /// Whether every subscriber opened, stayed, got every message once, in order and unchanged, and was closed in order.
    pub(crate) fn is_clean(&self, connections: u64) -> bool {
        let reasons =
            [&self.failed, &self.lost, &self.unclean, &self.published.refused, &self.received.wrong];
        self.opened == connections
            && reasons.iter().all(|reasons| reasons.is_empty())
            && self.received.deliveries == self.published.expected
            && self.received.deliveries > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_wrong_is_enough() {
        let received = Received { deliveries: 6, ..Received::default() };
        let published = Published { expected: 6, ..Published::default() };
        let clean = Measurement { opened: 3, published, received, ..Measurement::default() };
        assert!(clean.is_clean(3));
        let reasons = || Reasons::from([("some".to_owned(), 1)]);
        let published = Published { expected: 7, ..clean.published.clone() };
        let refused = Published { refused: reasons(), ..clean.published.clone() };
        let wrong = Received { wrong: reasons(), ..clean.received.clone() };
        for other in [
            Measurement { opened: 2, ..clean.clone() },
            Measurement { failed: reasons(), ..clean.clone() },
            Measurement { lost: reasons(), ..clean.clone() },
            Measurement { unclean: reasons(), ..clean.clone() },
            Measurement { published, ..clean.clone() },
            Measurement { published: refused, ..clean.clone() },
            Measurement { received: wrong, ..clean.clone() },
        ] {
            assert!(!other.is_clean(3), "{other:?}");
        }
        assert!(!Measurement::default().is_clean(0), "nothing was delivered");
    }
}
