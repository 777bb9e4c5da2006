//! What a worker's hub holds, in plain numbers: for the simulation, which compares it with what there should be.

use super::dialect::v1;
use super::hub::HubHandler;
use super::topic::Waiting;

/// Whether a text is a request of `throng.v1`.
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
    /// Topics that clients have left who are gone.
    pub(crate) left: usize,
    pub(crate) replays: usize,
    pub(crate) is_announcing: bool,
    /// Messages and announcements that are on their way to clients here, and bytes of their payloads or frames.
    pub(crate) queued: [usize; 2],
    /// Topics at home here, and those of them with a history.
    pub(crate) topics: usize,
    pub(crate) keeping: usize,
    /// Clients that were the first to publish to topics which stay, anywhere.
    pub(crate) founders: usize,
    /// Requests and deliveries for which a queue had no room.
    pub(crate) held: usize,
    /// Clients whose last message was no request.
    pub(crate) faults: usize,
    /// Clients that wait for homes.
    pub(crate) asking: usize,
}

impl HubHandler {
    /// What a round sends stays among what waits to its end.
    fn queued(&self) -> [usize; 2] {
        let waiting = self.roster.crowds().flat_map(|crowd| crowd.waiting.iter());
        let items = waiting.filter_map(|waiting| match waiting {
            Waiting::Item(item) => Some([1, item.bytes()]),
            Waiting::Joined(_) => None,
        });
        let sum = |[messages, bytes]: [usize; 2], more: [usize; 2]| [messages + more[0], bytes + more[1]];
        items.chain([self.announcing.queued()]).fold([0; 2], sum)
    }

    pub(crate) fn inventory(&self) -> Inventory {
        Inventory {
            connections: self.connections,
            local_topics: self.roster.topics(),
            subscriptions: self.roster.subscriptions(),
            sets: self.roster.sets(),
            active: self.active.len(),
            waiting: self.waiting,
            left: self.left.len(),
            replays: self.replays.len(),
            is_announcing: !self.announcing.is_empty(),
            queued: self.queued(),
            topics: self.home.topics(),
            keeping: self.home.keeping(),
            founders: self.exchange.founders.len(),
            held: self.posts.held_requests() + self.posts.held_deliveries(),
            faults: self.faults.len(),
            asking: self.asking.len(),
        }
    }
}
