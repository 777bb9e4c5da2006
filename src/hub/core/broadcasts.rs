//! Broadcasts: messages to all connections of a worker.

use std::collections::VecDeque;
use std::sync::Arc;

use super::client_state::ClientState;
#[cfg(any(test, feature = "simulation"))]
use super::topic_pass::MessageTotals;
use super::topic_pass::push_cost;
use crate::hub::dialect::Dialect;
use crate::hub::publication::BroadcastMessage;
use crate::metrics::HubCounters;
use crate::worker::{Batch, ConnIndex, Connections, Flush, SliceBudget, SliceCursor, SlowPolicy};

/// The conflation key of broadcasts in outboxes, where the key of a topic's messages is the topic's index: no topic has this index.
const BROADCAST_KEY: u32 = u32::MAX - 1;

/// Broadcasts under way, which are sent one after the other.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    queue: VecDeque<Arc<BroadcastMessage>>,
    current: Option<CurrentBroadcast>,
}

#[derive(Debug)]
struct CurrentBroadcast {
    /// The broadcast counts as under way until the pass ends.
    #[cfg_attr(
        not(any(test, feature = "simulation")),
        expect(dead_code, reason = "it counts by being kept")
    )]
    broadcast: Arc<BroadcastMessage>,
    /// Batches by the dialect's number.
    batches: [Batch; Dialect::COUNT],
    pass: SliceCursor,
}

impl Broadcasts {
    pub(crate) fn add(&mut self, broadcast: Arc<BroadcastMessage>) {
        self.queue.push_back(broadcast);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.queue.is_empty()
    }

    /// Returns the number of broadcasts under way, and the bytes of their payloads.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn totals(&self) -> MessageTotals {
        let current = self.current.iter().map(|current| &current.broadcast);
        let all = self.queue.iter().chain(current);
        all.map(|broadcast| MessageTotals { messages: 1, bytes: broadcast.bytes() }).sum()
    }

    /// Sends broadcasts to further connections, as far as the budget allows.
    pub(crate) fn continue_sending(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
        counters: &HubCounters,
    ) {
        while !budget.is_spent() {
            let Some(mut current) = self.current.take().or_else(|| self.begin_next(connections.end())) else {
                return;
            };
            let CurrentBroadcast { batches, pass, .. } = &mut current;
            pass.advance(pass.rest().map(ConnIndex::new), budget, |index, budget| {
                let Some(state) = connections.data_mut(index).copied() else { return budget.step() };
                let batch = &mut batches[usize::from(state.dialect().number())];
                let pushed = connections.push(index, batch, Flush::Now);
                counters.count_push(pushed);
                budget.spend(push_cost(batch, pushed));
            });
            if !current.pass.is_at_end() {
                self.current = Some(current);
            }
        }
    }

    fn begin_next(&mut self, end: u32) -> Option<CurrentBroadcast> {
        let broadcast = self.queue.pop_front()?;
        let batches = Dialect::ALL.map(|dialect| {
            let mut batch = Batch::new(BROADCAST_KEY, SlowPolicy::Close);
            batch.add(broadcast.encoded(dialect).clone());
            batch
        });
        Some(CurrentBroadcast { broadcast, batches, pass: SliceCursor::below(end) })
    }
}
