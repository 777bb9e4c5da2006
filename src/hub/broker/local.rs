//! The broker of one machine. The worker that owns a topic assigns offsets to its messages and keeps its history.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "simulation")]
use super::BrokerInventory;
use super::listing::Listing;
use super::messages::{Delivery, Publish, Subscribe};
use super::owner::Owner;
use super::peers::Peers;
use super::shared::{LocalBrokerShared, OwnerRequest};
use super::{Broker, Congestion};
use crate::hub::answer_sender::AnswerSender;
use crate::hub::name::TopicName;
use crate::hub::outcome::{PublishError, TopicInfo};
use crate::metrics::HubCounters;
use crate::worker::{Handle, Turn};

/// Time until the next attempt to send what a full queue did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// One worker's end of the broker: the topics that the worker owns, and the queues to and from the other ends.
pub(crate) struct LocalBroker {
    worker: usize,
    shared: Arc<LocalBrokerShared>,
    /// The owner is boxed, since a worker moves its handler out and back in for each turn.
    owner: Box<Owner>,
    peers: Peers,
}

impl LocalBroker {
    /// Makes a worker's end. Returns `None` if the worker's queues were taken before.
    pub(crate) fn new(
        shared: &Arc<LocalBrokerShared>,
        worker: usize,
        handle: &Handle,
        counters: Arc<HubCounters>,
    ) -> Option<Self> {
        let receivers = shared.take_receivers(worker, handle)?;
        let peers = Peers::new(Arc::clone(shared), worker, handle.workers(), Some(receivers));
        let owner = Box::new(Owner::new(Arc::clone(shared), counters));
        Some(Self { worker, shared: Arc::clone(shared), owner, peers })
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn inventory(&self) -> BrokerInventory {
        let own: usize = self.peers.loopback_lens().iter().sum();
        BrokerInventory {
            topics: self.owner.topics(),
            swept_topics: self.owner.swept_topics(),
            creators: self.shared.quota.len(),
            unsent: usize::from(self.peers.has_unsent()) + own,
        }
    }

    /// Serves at most `max_requests` requests, fewer if they are costly, while fewer than `max_unsent` deliveries are unsent. Returns `true`
    /// where there may be more.
    fn serve_some(&mut self, max_requests: usize, max_unsent: usize, now: Duration) -> bool {
        let mut budget = self.shared.config.sizes.pushes_per_turn;
        for _ in 0..max_requests {
            if self.peers.unsent_deliveries() >= max_unsent || budget == 0 {
                return true;
            }
            let Some(request) = self.peers.next_request() else { return false };
            budget = budget.saturating_sub(self.serve_one(*request, now));
        }
        true
    }

    /// Serves a request. Returns its cost beyond that of every request, in small messages.
    fn serve_one(&mut self, request: OwnerRequest, now: Duration) -> usize {
        let Self { owner, peers, .. } = self;
        match request {
            OwnerRequest::Publish(publish) => owner.publish(publish, now, peers),
            OwnerRequest::Subscribe(subscribe) => return owner.subscribe(subscribe, now, peers),
            OwnerRequest::SetSubscribers { worker, topic, hash, count } => {
                owner.set_subscribers(worker, &topic, hash, count);
            }
            OwnerRequest::Unsubscribe { worker, topic, hash } => {
                owner.unsubscribe(worker, &topic, hash, now);
            }
        }
        0
    }
}

impl Broker for LocalBroker {
    fn run(&self) -> u32 {
        self.shared.hasher.run()
    }

    fn try_publish(&mut self, publish: Publish) -> Result<(), PublishError> {
        let hash = publish.hash;
        self.peers.try_request(hash, OwnerRequest::Publish(publish)).map_err(PublishError::from)
    }

    fn publish(&mut self, publish: Publish, now: Duration) {
        self.owner.publish(publish, now, &mut self.peers);
    }

    fn subscribe(&mut self, subscribe: Subscribe) {
        self.peers.request(subscribe.hash, OwnerRequest::Subscribe(subscribe));
    }

    fn set_subscribers(&mut self, topic: TopicName, hash: u64, count: u32) {
        let worker = self.worker;
        self.peers.request(hash, OwnerRequest::SetSubscribers { worker, topic, hash, count });
    }

    fn unsubscribe(&mut self, topic: TopicName, hash: u64) {
        let worker = self.worker;
        self.peers.request(hash, OwnerRequest::Unsubscribe { worker, topic, hash });
    }

    fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.owner.look_up(name)
    }

    fn describe(&mut self, name: &str, reply: AnswerSender<Option<TopicInfo>>) {
        reply.send(self.owner.look_up(name));
    }

    fn list(&mut self, prefix: Box<str>, limit: usize, reply: AnswerSender<Vec<TopicInfo>>) {
        self.owner.listings.push_back(Listing::new(prefix, limit, reply));
    }

    fn unsent_requests(&self) -> usize {
        self.peers.unsent_requests()
    }

    fn congestion(&self) -> Congestion {
        match self.peers.unsent_deliveries() {
            0 => Congestion::Clear,
            unsent if unsent < self.shared.config.sizes.queue => Congestion::Partial,
            _ => Congestion::Full,
        }
    }

    fn begin_turn(&mut self, outbox_limit: usize) {
        self.owner.limit_recovery_parts(outbox_limit);
        self.peers.retry();
    }

    fn serve(&mut self, now: Duration) -> bool {
        let sizes = &self.shared.config.sizes;
        // With unsent deliveries, one request is served all the same, so that clients' requests progress however many the operator
        // sends.
        let (max_requests, max_unsent) = match self.congestion() {
            Congestion::Clear => (sizes.entries_per_turn, 1),
            Congestion::Partial | Congestion::Full => (1, sizes.queue),
        };
        self.serve_some(max_requests, max_unsent, now)
    }

    fn flush(&mut self) {
        self.peers.wake();
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        self.peers.next_delivery()
    }

    fn end_turn(&mut self, now: Duration) -> Turn {
        let has_listings = self.owner.continue_listing();
        self.owner.sweep(now);
        self.peers.shrink();
        let [requests, deliveries] = self.peers.loopback_lens();
        let is_blocked = self.peers.has_unsent();
        if deliveries > 0 || (!is_blocked && (requests > 0 || has_listings)) {
            return Turn::Again;
        }
        let waits = [is_blocked.then_some(RETRY_INTERVAL), self.owner.sweep.interval()];
        waits.into_iter().flatten().min().map_or(Turn::Idle, Turn::Within)
    }
}
