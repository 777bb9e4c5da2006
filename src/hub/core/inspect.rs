//! The contents of a worker's hub, as numbers. The simulation compares them with its model.

use super::topic::QueueEntry;
use super::topic_pass::MessageTotals;
use super::worker_hub::WorkerHub;
use crate::hub::broker::BrokerInventory;
#[cfg(feature = "simulation")]
use crate::hub::dialect::v1;

/// Returns whether a text is a valid request of `throng.v1`.
#[cfg(feature = "simulation")]
pub(crate) fn is_request(text: &str) -> bool {
    v1::parse(text).is_ok()
}

/// Sizes of a hub's tables, lists and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inventory {
    pub(crate) connections: u64,
    /// Topics with subscribers on this worker.
    pub(crate) local_topics: usize,
    pub(crate) subscriptions: u64,
    /// Connections with several subscriptions.
    pub(crate) sets: usize,
    /// Topics with work to do, and entries in the queues of all topics.
    pub(crate) scheduled: usize,
    pub(crate) queue_entries: usize,
    /// Topics to clean up, whose subscriptions ended with their connections.
    pub(crate) cleanup_queue: usize,
    pub(crate) recoveries: usize,
    pub(crate) has_broadcasts: bool,
    /// Messages and broadcasts on their way to this worker's clients.
    pub(crate) messages: MessageTotals,
    pub(crate) broker: BrokerInventory,
    /// Clients with bad requests since their last valid one.
    pub(crate) bad_requests: usize,
    /// Clients with subscriptions that the broker has not answered.
    pub(crate) pending_subscriptions: usize,
}

impl<B> WorkerHub<B> {
    /// Returns the totals of the messages of all passes, of those in queues behind them, and of broadcasts.
    fn messages(&self) -> MessageTotals {
        let passes =
            self.table.fan_outs().filter_map(|fan_out| fan_out.pass.as_ref()).map(|pass| pass.totals);
        let entries = self.table.fan_outs().flat_map(|fan_out| {
            fan_out.queue.iter().skip(fan_out.pass.as_ref().map_or(0, |pass| pass.messages))
        });
        let publications = entries.filter_map(|entry| match entry {
            QueueEntry::Publication(publication) => {
                Some(MessageTotals { messages: 1, bytes: publication.bytes() })
            }
            QueueEntry::Reply(_) => None,
        });
        publications.chain(passes).chain([self.broadcasts.totals()]).sum()
    }

    #[cfg(feature = "simulation")]
    pub(crate) const fn broker(&self) -> &B {
        &self.broker
    }

    /// Returns the contents of the hub, with those of its broker.
    pub(crate) fn inventory(&self, broker: BrokerInventory) -> Inventory {
        Inventory {
            connections: self.clients.connections,
            local_topics: self.table.topics(),
            subscriptions: self.table.subscriptions(),
            sets: self.table.sets(),
            scheduled: self.scheduled.len(),
            queue_entries: self.queue_entries,
            cleanup_queue: self.cleanup_queue.len(),
            recoveries: self.recoveries.len(),
            has_broadcasts: !self.broadcasts.is_empty(),
            messages: self.messages(),
            broker,
            bad_requests: self.clients.bad_requests.len(),
            pending_subscriptions: self.clients.pending_subscriptions.len(),
        }
    }
}
