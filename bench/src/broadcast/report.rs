//! What a broadcast came to. The names of its fields in JSON are stable.

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
    /// The form of the report.
    pub(crate) schema: u32,
    /// The day on which it began (UTC), as in 2026-01-31.
    pub(crate) date: String,
    /// The machine, the limits and the command.
    pub(crate) environment: Environment,
    /// Subscribers.
    pub(crate) connections: u64,
    /// Topics.
    pub(crate) topics: u64,
    /// Bytes of each message.
    pub(crate) size: u64,
    /// Messages of a batch.
    pub(crate) in_flight: u64,
    /// Messages per second that were planned; `None` for each batch to follow the one before.
    pub(crate) rate: Option<f64>,
    /// The seed of masking keys, nonces and messages.
    pub(crate) seed: u64,
    /// Measurements in their order.
    pub(crate) rounds: Vec<Measurement>,
    /// What they come to by server.
    pub(crate) servers: Vec<Summary>,
    /// What was compared, round by round.
    pub(crate) comparisons: Vec<Comparison>,
}

/// One server measured once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The server: `throng`, with its policy and whether some were deaf, `floor`, or its address.
    pub(crate) server: String,
    /// The number of the round, from 1.
    pub(crate) round: u64,
    /// What was to be done about slow subscribers, where that was chosen.
    pub(crate) policy: Option<Policy>,
    /// Subscribers that never read.
    pub(crate) deaf: u64,
    /// Threads of the server with an event loop, where it was started here.
    pub(crate) workers: Option<usize>,
    /// Whether each has a descriptor table of its own, where it was started here.
    pub(crate) private_tables: Option<bool>,
    /// Threads of the clients.
    pub(crate) client_threads: usize,
    /// Subscribers that opened.
    pub(crate) opened: u64,
    /// Seconds to open all.
    pub(crate) ramp_seconds: f64,
    /// Subscribers that did not open, by reason.
    pub(crate) failed: Reasons,
    /// Subscribers that were lost, by reason.
    pub(crate) lost: Reasons,
    /// Subscribers whose closing went wrong, by reason.
    pub(crate) unclean: Reasons,
    /// What was published.
    pub(crate) published: Published,
    /// What was received of it.
    pub(crate) received: Received,
    /// Seconds from the first planned time to the last receipt.
    pub(crate) seconds: f64,
    /// Messages received in each of these seconds, over all subscribers.
    pub(crate) deliveries_per_second: f64,
    /// From the planned time of each batch to the last receipt of its messages, in microseconds.
    pub(crate) last_us: Distribution,
    /// Processor time meanwhile.
    pub(crate) cpu: Cpu,
    /// Memory before the first subscriber.
    pub(crate) memory_without: Memory,
    /// Memory when all had subscribed and the warm-up was over.
    pub(crate) memory_before: Memory,
    /// The most of each while messages were fanned out.
    pub(crate) memory_peak: Memory,
    /// Memory when all of it had been received.
    pub(crate) memory_after: Memory,
    /// Iterations of the event loops meanwhile, from one wait for events to the next, in microseconds. `None` where the server
    /// does not tell.
    pub(crate) loop_us: Option<Distribution>,
    /// What the server's counters changed by meanwhile.
    pub(crate) counters: BTreeMap<String, i64>,
}

/// What was published in the measured time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// When it began, as [`now_nanos`](crate::engine::feed::now_nanos) counts.
    #[serde(skip)]
    pub(super) began: u64,
    /// Batches of messages.
    pub(crate) batches: u64,
    /// Messages.
    pub(crate) messages: u64,
    /// Deliveries that these make, over all subscribers that read.
    pub(crate) expected: u64,
    /// Messages that the server did not take, by reason.
    pub(crate) refused: Reasons,
    /// How late this program itself published a batch at most, in microseconds: the accuracy of a planned time.
    pub(crate) behind_us: u64,
    /// How long it took to hand over each batch, its answer included, in microseconds.
    pub(crate) request_us: Distribution,
}

/// Processor time from the first planned time until all had been received. What was not measured is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    /// Of the server, by delivery, in microseconds.
    pub(crate) server_us_per_delivery: Option<f64>,
    /// Processors that the server kept busy.
    pub(crate) server_cores: Option<f64>,
    /// Of this program, which publishes and receives, by delivery, in microseconds.
    pub(crate) client_us_per_delivery: Option<f64>,
}

/// The rounds of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The server.
    pub(crate) server: String,
    /// [`FIGURES`](super::compare::FIGURES).
    #[serde(flatten)]
    pub(crate) figures: Spreads,
}

/// One server held against another one of the same rounds: figures of the first over those of the second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// The server.
    pub(crate) server: String,
    /// What it is held against.
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

impl BroadcastReport {
    /// Whether every measurement was clean.
    pub(crate) fn is_clean(&self) -> bool {
        !self.rounds.is_empty() && self.rounds.iter().all(|measured| measured.is_clean(self.connections))
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
