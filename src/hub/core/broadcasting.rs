//! Broadcasts: messages to all connections of a worker.

use std::collections::VecDeque;
use std::sync::Arc;

use super::client_state::ClientState;
use super::fan_out_pass::cost;
use crate::hub::dialect::Dialect;
use crate::hub::publication::Broadcast;
use crate::metrics::HubCounters;
use crate::worker::{Batch, ConnIndex, Connections, Flush, Pass, SliceBudget, SlowPolicy};

/// The conflation key of broadcasts in outboxes, where the key of a topic's messages is the topic's index: no topic has this index.
const BROADCAST_KEY: u32 = u32::MAX - 1;

/// Broadcasts under way, which are sent one after the other.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    waiting: VecDeque<Arc<Broadcast>>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    /// The broadcast counts as under way until the pass ends.
    #[cfg_attr(
        not(any(test, feature = "simulation")),
        expect(dead_code, reason = "it counts by being kept")
    )]
    broadcast: Arc<Broadcast>,
    /// Batches by the dialect's number.
    batches: [Batch; Dialect::COUNT],
    pass: Pass,
}

impl Broadcasts {
    pub(crate) fn add(&mut self, broadcast: Arc<Broadcast>) {
        self.waiting.push_back(broadcast);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// Returns the number of broadcasts and of their payload bytes.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn queued(&self) -> [usize; 2] {
        let current = self.current.iter().map(|current| &current.broadcast);
        let all = self.waiting.iter().chain(current).map(|broadcast| broadcast.bytes());
        all.fold([0; 2], |[messages, bytes], more| [messages + 1, bytes + more])
    }

    /// Sends broadcasts to further connections, as far as the budget allows.
    pub(crate) fn go_on(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
        counters: &HubCounters,
    ) {
        while !budget.is_spent() {
            let Some(mut current) = self.current.take().or_else(|| self.begin(connections.end())) else {
                return;
            };
            let Current { batches, pass, .. } = &mut current;
            pass.advance(pass.rest().map(ConnIndex::new), budget, |index, budget| {
                let Some(state) = connections.data_mut(index).copied() else { return budget.look() };
                let batch = &mut batches[usize::from(state.dialect().number())];
                let pushed = connections.push(index, batch, Flush::Now);
                counters.count(pushed);
                budget.spend(cost(batch, pushed));
            });
            if !current.pass.is_over() {
                self.current = Some(current);
            }
        }
    }

    fn begin(&mut self, end: u32) -> Option<Current> {
        let broadcast = self.waiting.pop_front()?;
        let batches = Dialect::ALL.map(|dialect| {
            let mut batch = Batch::new(BROADCAST_KEY, SlowPolicy::Close);
            batch.add(broadcast.encoded(dialect).clone());
            batch
        });
        Some(Current { broadcast, batches, pass: Pass::below(end) })
    }
}
