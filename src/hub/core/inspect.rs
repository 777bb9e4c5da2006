//! The contents of a worker's hub, as numbers. The simulation compares them with its model.

use super::topic::QueueEntry;
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
    pub(crate) active: usize,
    pub(crate) waiting: usize,
    /// Topics to clean up, whose subscriptions ended with their connections.
    pub(crate) abandoned: usize,
    pub(crate) recoveries: usize,
    pub(crate) is_announcing: bool,
    /// Messages and broadcasts on their way to this worker's clients, and bytes of their payloads.
    pub(crate) queued: [usize; 2],
    pub(crate) broker: BrokerInventory,
    /// Clients with bad requests since their last valid one.
    pub(crate) bad_requests: usize,
    /// Clients with subscriptions that the broker has not answered.
    pub(crate) pending: usize,
}

impl<B> WorkerHub<B> {
    /// Returns the messages of all passes and those that wait behind them, and their bytes.
    fn queued(&self) -> [usize; 2] {
        let passes = self.table.fan_outs().filter_map(|fan_out| fan_out.pass.as_ref()).map(|pass| pass.kept);
        let waiting = self.table.fan_outs().flat_map(|fan_out| {
            fan_out.queue.iter().skip(fan_out.pass.as_ref().map_or(0, |pass| pass.messages))
        });
        let publications = waiting.filter_map(|waiting| match waiting {
            QueueEntry::Publication(publication) => Some([1, publication.bytes()]),
            QueueEntry::Reply(_) => None,
        });
        let sum = |[messages, bytes]: [usize; 2], more: [usize; 2]| [messages + more[0], bytes + more[1]];
        publications.chain(passes).chain([self.broadcasts.queued()]).fold([0; 2], sum)
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
            active: self.active.len(),
            waiting: self.waiting,
            abandoned: self.abandoned.len(),
            recoveries: self.recoveries.len(),
            is_announcing: !self.broadcasts.is_empty(),
            queued: self.queued(),
            broker,
            bad_requests: self.clients.bad_requests.len(),
            pending: self.clients.pending.len(),
        }
    }
}
