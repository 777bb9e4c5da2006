//! The topics that a worker owns: their offsets, their histories, and the workers that have subscribed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::history::History;
use super::listing::Listing;
use super::messages::{Delivery, Publish, ReplyTo, Subscribe, SubscribeReply, Subscribed};
use super::owned_topic::OwnedTopic;
use super::peers::Peers;
use super::shared::LocalBrokerShared;
use super::sweep::Sweep;
use crate::base::pages::PagedSlab;
#[cfg(feature = "simulation")]
use crate::hub::journal::JournalEntry;
use crate::hub::name::TopicName;
use crate::hub::outcome::{PublishError, Published, TopicInfo};
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::hub::topic_lookup::TopicLookup;
use crate::metrics::HubCounters;
use crate::worker::ConnId;

const TOPICS_PER_PAGE: usize = 256;
/// Number of buckets of hashes by which removed topics are counted.
const REMOVED_BUCKETS: usize = 4096;

/// The topics that a worker owns.
pub(crate) struct Owner {
    pub(super) shared: Arc<LocalBrokerShared>,
    pub(super) counters: Arc<HubCounters>,
    pub(super) topics: PagedSlab<OwnedTopic, TOPICS_PER_PAGE>,
    lookup: TopicLookup,
    /// Number of removed topics that had messages, by bucket of their hashes.
    removed: Vec<u32>,
    /// The topics that may stay without subscribers.
    pub(super) sweep: Sweep,
    /// Most bytes of the messages in one part of a recovery. As JSON text they may take six times as many.
    recovery_bytes: usize,
    /// Requested lists of topics that are not finished.
    pub(crate) listings: VecDeque<Listing>,
}

impl Owner {
    pub(crate) fn new(shared: Arc<LocalBrokerShared>, counters: Arc<HubCounters>) -> Self {
        Self {
            shared,
            counters,
            topics: PagedSlab::default(),
            lookup: TopicLookup::default(),
            removed: vec![0; REMOVED_BUCKETS],
            sweep: Sweep::default(),
            recovery_bytes: 0,
            listings: VecDeque::new(),
        }
    }

    /// Limits the bytes of one part of a recovery, so that the part fits an outbox in every dialect.
    pub(crate) fn limit_recovery_parts(&mut self, outbox_limit: usize) {
        self.recovery_bytes = self.shared.config.sizes.recovery_bytes.min(outbox_limit / 8);
    }

    /// Returns the number of topics.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) const fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Returns the number of topics that may stay without subscribers.
    #[cfg(feature = "simulation")]
    pub(crate) fn swept_topics(&self) -> usize {
        self.sweep.len()
    }

    /// Assigns an offset to a message and delivers it to all workers that have subscribed.
    pub(crate) fn publish(&mut self, mut publish: Publish, now: Duration, peers: &mut Peers) {
        let reply_to = std::mem::replace(&mut publish.reply_to, ReplyTo::Discard);
        let topic = TopicName::clone(&publish.topic);
        #[cfg(feature = "simulation")]
        let copy = publish.message.clone();
        let result = self.accept_message(publish, reply_to.client(), now, peers);
        #[cfg(feature = "simulation")]
        self.shared.record(|| JournalEntry::published(&topic, now, copy, &result));
        if let Some(reply) = reply_to.answer(topic, result) {
            peers.deliver(reply.conn.worker(), Delivery::Published(Box::new(reply)));
        }
    }

    fn accept_message(
        &mut self,
        publish: Publish,
        client: Option<ConnId>,
        now: Duration,
        peers: &mut Peers,
    ) -> Result<Published, PublishError> {
        let Publish { topic: name, hash, message, reservation, .. } = publish;
        let rule = self.shared.config.rules.of(&name).history;
        let found = self.find(&name, hash);
        if found.is_none() && rule.is_off() {
            return Ok(self.publish_without_topic(hash));
        }
        let at = self.find_or_create(found, &name, hash, client, now)?;
        let Self { topics, shared, counters, sweep, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.offset += 1;
        counters.published.add(1);
        let offset = topic.offset;
        if !rule.is_off() {
            let frame = message.frame();
            topic.change_history(counters, |history| history.push(offset, frame, now, &rule, shared));
            if !std::mem::replace(&mut topic.is_swept, true) {
                sweep.add(at);
            }
        }
        if topic.has_workers() {
            let publication = Arc::new(Publication::new(
                TopicName::clone(&topic.name),
                hash,
                offset,
                message,
                Some(reservation),
            ));
            topic.subscribers().for_each(|(worker, _)| {
                peers.deliver(worker, Delivery::Publication(Arc::clone(&publication)))
            });
        }
        let epoch = topic.epoch(shared.hasher.run());
        let subscribers = topic.subscribers().map(|(_, count)| u64::from(count)).sum();
        self.remove_if_unused(at, hash);
        Ok(Published { offset, epoch, subscribers })
    }

    /// Publishes a message to a topic without subscribers and history. Such a topic exists during this call only, and takes no room.
    fn publish_without_topic(&mut self, hash: u64) -> Published {
        self.counters.published.add(1);
        let epoch = Epoch { run: self.shared.hasher.run(), serial: self.serial(hash) };
        self.count_removed(hash);
        Published { offset: 1, epoch, subscribers: 0 }
    }

    /// Finds or makes the topic of a message. If the message is the topic's first, a client's, and the topic has a history, the client
    /// counts as the topic's creator.
    fn find_or_create(
        &mut self,
        found: Option<u32>,
        name: &TopicName,
        hash: u64,
        client: Option<ConnId>,
        now: Duration,
    ) -> Result<u32, PublishError> {
        let is_first =
            found.and_then(|at| self.topics.get(at as usize)).is_none_or(|topic| topic.offset == 0);
        let is_kept = !self.shared.config.rules.of(name).history.is_off();
        let creator = client.filter(|_| is_first && is_kept);
        if let Some(client) = creator
            && !self.shared.quota.add(client, self.shared.config.max_client_topics)
        {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyCreated);
        }
        let at = found.map_or_else(|| self.create(name, hash, client.is_none(), now), Ok);
        if let Some(client) = creator {
            match at.as_ref().ok().and_then(|&at| self.topics.get_mut(at as usize)) {
                Some(topic) => topic.set_creator(client),
                None => self.shared.quota.remove(client),
            }
        }
        at
    }

    /// Subscribes a worker to a topic for one of its clients. From now on the worker gets all messages of the topic. Returns the cost of
    /// the missed messages in the answer, in small messages.
    pub(crate) fn subscribe(&mut self, subscribe: Subscribe, now: Duration, peers: &mut Peers) -> usize {
        let Subscribe { topic, hash, requester, since, is_continuation } = subscribe;
        let worker = requester.conn.worker();
        let result = self.add_subscriber(&topic, hash, worker, since, now);
        #[cfg(feature = "simulation")]
        self.shared.record(|| JournalEntry::subscribed(&topic, now, since, &result));
        let cost = result.as_ref().map_or(0, Subscribed::cost);
        let reply = SubscribeReply { topic, hash, requester, is_continuation, result };
        peers.deliver(worker, Delivery::Subscribed(Box::new(reply)));
        cost
    }

    fn add_subscriber(
        &mut self,
        name: &TopicName,
        hash: u64,
        worker: usize,
        since: Option<Position>,
        now: Duration,
    ) -> Result<Subscribed, PublishError> {
        let at = self.find(name, hash).map_or_else(|| self.create(name, hash, false, now), Ok)?;
        let rule = self.shared.config.rules.of(name).history;
        let Self { topics, shared, counters, recovery_bytes, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.add_worker(worker);
        let messages = shared.config.sizes.recovery_messages;
        let epoch = topic.epoch(shared.hasher.run());
        let latest = topic.offset;
        let from = Position { offset: latest, epoch };
        let Some(since) = since else {
            return Ok(Subscribed { from, recovered: None, missed: Vec::new(), has_more: false, latest });
        };
        // A position in another epoch, or after the latest message, means that the client has seen none of the messages.
        let seen = if since.epoch == epoch && since.offset <= latest { Some(since.offset) } else { None };
        let (name, part_limits) = (TopicName::clone(&topic.name), (messages, *recovery_bytes));
        let missed = topic.change_history(counters, |history| {
            history.expire(now, &rule);
            history.after(seen.unwrap_or(0), latest, part_limits, |history, at| {
                history.publication(at, &name, hash, now, shared)
            })
        });
        Ok(Subscribed {
            from: Position { offset: missed.from, epoch },
            recovered: Some(seen == Some(missed.from)),
            missed: missed.publications,
            has_more: missed.has_more,
            latest,
        })
    }

    /// Sets a worker's number of subscribers of a topic.
    pub(crate) fn set_subscribers(&mut self, worker: usize, name: &str, hash: u64, count: u32) {
        let Some(at) = self.find(name, hash) else { return };
        if let Some(topic) = self.topics.get_mut(at as usize) {
            topic.set_count(worker, count);
        }
    }

    /// Unsubscribes a worker from a topic.
    pub(crate) fn unsubscribe(&mut self, worker: usize, name: &str, hash: u64, now: Duration) {
        let Some(at) = self.find(name, hash) else { return };
        let is_kept = !self.shared.config.rules.of(name).history.is_off();
        let Self { topics, sweep, .. } = self;
        if let Some(topic) = topics.get_mut(at as usize) {
            topic.remove_worker(worker);
            // No subscriber can miss messages of a topic that has had none.
            if is_kept && !topic.has_workers() && topic.offset > 0 {
                topic.set_vacated(now);
                if !std::mem::replace(&mut topic.is_swept, true) {
                    sweep.add(at);
                }
            }
        }
        self.remove_if_unused(at, hash);
    }

    /// Returns the state of a topic, found by its name.
    pub(crate) fn look_up(&self, name: &str) -> Option<TopicInfo> {
        let at = self.find(name, self.shared.hasher.hash(name))?;
        self.topics.get(at as usize).map(|topic| self.describe(topic))
    }

    /// Returns one more than the highest place of a topic.
    pub(crate) const fn end(&self) -> usize {
        self.topics.end()
    }

    /// Returns the topic at a place.
    pub(crate) fn get(&self, at: usize) -> Option<&OwnedTopic> {
        self.topics.get(at)
    }

    fn find(&self, name: &str, hash: u64) -> Option<u32> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &OwnedTopic| *topic.name == *name);
        self.lookup.find(hash, is_it)
    }

    /// Makes a topic that does not exist, for the operator or for a client. If the number of topics has reached its limit, evicts a topic
    /// without subscribers and messages.
    fn create(
        &mut self,
        name: &TopicName,
        hash: u64,
        for_operator: bool,
        now: Duration,
    ) -> Result<u32, PublishError> {
        let is_there_room =
            self.shared.add_topic(for_operator) || (self.evict(now) && self.shared.add_topic(for_operator));
        if !is_there_room {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyTopics);
        }
        let topic = OwnedTopic::new(TopicName::clone(name), self.serial(hash));
        // A hub has at most `max_topics` topics, which is fewer than 2^28.
        let at = u32::try_from(self.topics.insert(topic)).unwrap_or(u32::MAX);
        self.lookup.insert(hash, at);
        self.counters.topics.add(1);
        Ok(at)
    }

    /// Returns the serial of a new topic's epoch. A topic that had no messages gets the same serial when it is made again, since no
    /// subscriber has missed any.
    fn serial(&self, hash: u64) -> u32 {
        self.removed[removed_bucket(hash)].wrapping_add(1)
    }

    /// Counts the removal of a topic that had messages, so that the next topic of its name gets another serial.
    fn count_removed(&mut self, hash: u64) {
        let removed = &mut self.removed[removed_bucket(hash)];
        *removed = removed.wrapping_add(1);
    }

    /// Removes a topic that has neither subscribers nor a history.
    pub(super) fn remove_if_unused(&mut self, at: u32, hash: u64) {
        let Some(topic) = self.topics.get_mut(at as usize) else { return };
        // The sweep removes a topic that is in its list.
        if topic.has_workers() || topic.is_swept {
            return;
        }
        let had_messages = topic.offset > 0;
        if let Some(client) = topic.creator() {
            self.shared.quota.remove(client);
        }
        self.topics.remove(at as usize);
        self.lookup.remove(hash, at);
        self.shared.remove_topic();
        self.counters.topics.decrement();
        if had_messages {
            self.count_removed(hash);
        }
    }

    fn describe(&self, topic: &OwnedTopic) -> TopicInfo {
        let history = topic.history();
        TopicInfo {
            topic: topic.name.to_string(),
            subscribers: topic.subscribers().map(|(_, count)| u64::from(count)).sum(),
            offset: topic.offset,
            epoch: topic.epoch(self.shared.hasher.run()),
            history_messages: history.map_or(0, History::len),
            history_bytes: history.map_or(0, History::bytes),
        }
    }
}

/// Returns the bucket of a hash.
fn removed_bucket(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - REMOVED_BUCKETS.ilog2())).unwrap_or(0)
}
