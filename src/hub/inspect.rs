//! What a worker's hub holds, in plain numbers: for the simulation, which compares it with what there should be.

use super::hub::HubHandler;

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
    pub(crate) replays: usize,
    pub(crate) is_announcing: bool,
    /// Topics at home here, and those of them with a history.
    pub(crate) topics: usize,
    pub(crate) keeping: usize,
    /// Clients that were the first to publish to topics which stay, anywhere.
    pub(crate) founders: usize,
    /// Requests and deliveries for which a queue had no room.
    pub(crate) held: usize,
    /// Clients whose last message was no request.
    pub(crate) faults: usize,
}

impl HubHandler {
    pub(crate) fn inventory(&self) -> Inventory {
        Inventory {
            connections: self.connections,
            local_topics: self.roster.topics(),
            subscriptions: self.roster.subscriptions(),
            sets: self.roster.sets(),
            active: self.active.len(),
            waiting: self.waiting,
            replays: self.replays.len(),
            is_announcing: !self.announcing.is_empty(),
            topics: self.home.topics(),
            keeping: self.home.keeping(),
            founders: self.exchange.founders.len(),
            held: self.posts.held_requests() + self.posts.held_deliveries(),
            faults: self.faults.len(),
        }
    }
}
