//! What subscribers received in the end.

use serde::{Deserialize, Serialize};

use crate::measure::distribution::Distribution;
use crate::measure::reasons::{Reasons, add_fields};

/// What subscribers received.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) readers: u64,
    /// Messages received in the measured batches, as they were published and none of them twice.
    pub(crate) deliveries: u64,
    pub(crate) wrong: Reasons,
    pub(crate) latency_us: Distribution,
    pub(crate) deaf: Deaf,
    /// The latest receipt of each measured batch, in nanoseconds after its planned time; 0 for one that nobody received.
    #[serde(skip)]
    pub(crate) last_nanos: Vec<u64>,
    /// When the last message was received, as [`now_nanos`](super::now_nanos) counts.
    #[serde(skip)]
    pub(crate) last_receipt: u64,
}

/// Subscribers that read nothing until all had been published, and then what was still there for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deaf {
    pub(crate) subscribers: u64,
    /// Messages they found, in order and none of them twice.
    pub(crate) found: u64,
    pub(crate) skipped: u64,
    pub(crate) latest: u64,
    /// Those whose connection had ended or was ended by then, by reason.
    pub(crate) ended: Reasons,
}

add_fields!(Deaf { subscribers, found, skipped, latest, ended });

impl Received {
    /// Adds what another thread's subscribers received.
    pub(crate) fn add(&mut self, other: &Self) {
        self.readers += other.readers;
        self.deliveries += other.deliveries;
        self.wrong += &other.wrong;
        self.deaf += &other.deaf;
        self.latency_us.add(&other.latency_us);
        if self.last_nanos.len() < other.last_nanos.len() {
            self.last_nanos.resize(other.last_nanos.len(), 0);
        }
        for (last, nanos) in self.last_nanos.iter_mut().zip(&other.last_nanos) {
            *last = (*last).max(*nanos);
        }
        self.last_receipt = self.last_receipt.max(other.last_receipt);
    }
}
