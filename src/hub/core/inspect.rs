//! What a worker's hub holds, in plain numbers: for the simulation, which compares it with what there should be.

use super::topic::Queued;
use super::worker_hub::WorkerHub;
use crate::hub::broker::BrokerInventory;
#[cfg(feature = "simulation")]
use crate::hub::dialect::v1;

/// Whether a text is a request of `throng.v1`.
#[cfg(feature = "simulation")]
pub(crate) fn is_request(text: &str) -> bool {
    v1::parse(text).is_ok()
}

/// What is in a hub's tables, lists and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inventory {
    pub(crate) connections: u64,
    /// Topics with subscribers here.
    pub(crate) local_topics: usize,
    pub(crate) subscriptions: u64,
    /// Connections with several subscriptions.
    pub(crate) sets: usize,
    /// Topics with something to do, and messages that wait there.
    pub(crate) active: usize,
    pub(crate) waiting: usize,
    /// Topics of subscriptions that ended with their connections.
    pub(crate) abandoned: usize,
    pub(crate) recoveries: usize,
    pub(crate) is_announcing: bool,
    /// Messages and broadcasts that are on their way to clients here, and bytes of their payloads or frames.
    pub(crate) queued: [usize; 2],
    pub(crate) broker: BrokerInventory,
    /// Clients whose last message was no request.
    pub(crate) bad_requests: usize,
    /// Clients that wait for the broker.
    pub(crate) pending: usize,
}

impl<B> WorkerHub<B> {
    /// What passes keep, and what waits behind it.
    fn queued(&self) -> [usize; 2] {
        let passes = self.table.fan_outs().filter_map(|fan_out| fan_out.pass.as_ref()).map(|pass| pass.kept);
        let waiting = self.table.fan_outs().flat_map(|fan_out| {
            fan_out.queue.iter().skip(fan_out.pass.as_ref().map_or(0, |pass| pass.messages))
        });
        let publications = waiting.filter_map(|waiting| match waiting {
            Queued::Publication(publication) => Some([1, publication.bytes()]),
            Queued::Reply(_) => None,
        });
        let sum = |[messages, bytes]: [usize; 2], more: [usize; 2]| [messages + more[0], bytes + more[1]];
        publications.chain(passes).chain([self.broadcasts.queued()]).fold([0; 2], sum)
    }

    #[cfg(feature = "simulation")]
    pub(crate) const fn broker(&self) -> &B {
        &self.broker
    }

    /// What the hub holds, with what its broker holds.
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
