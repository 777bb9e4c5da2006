//! The topics that a worker owns: their offsets, their histories, and which workers have subscribers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::history::History;
use super::listing::Listing;
use super::messages::{Delivery, Publish, ReplyTo, Subscribe, SubscribeReply, Subscribed};
use super::owned_topic::OwnedTopic;
use super::peers::Peers;
use super::shared::LocalShared;
use super::sweep::Sweep;
use crate::base::pages::PagedSlab;
use crate::hub::index::Index;
#[cfg(feature = "simulation")]
use crate::hub::journal::Entry;
use crate::hub::name::Name;
use crate::hub::outcome::{PublishError, Published, TopicInfo};
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::metrics::HubCounters;
use crate::worker::ConnId;

const TOPICS_PER_PAGE: usize = 256;
/// Parts of all hashes within which topics that go are counted together.
const EPOCHS: usize = 4096;

/// The topics that a worker owns.
pub(crate) struct Owner {
    pub(super) shared: Arc<LocalShared>,
    pub(super) counters: Arc<HubCounters>,
    pub(super) topics: PagedSlab<OwnedTopic, TOPICS_PER_PAGE>,
    index: Index,
    /// How many topics have had messages and gone, of each part of all hashes.
    gone: Vec<u32>,
    /// Topics that may stay without subscribers.
    pub(super) keeping: Sweep,
    /// Bytes of messages that a subscriber is given at a time of what it has missed: as text in JSON they may be six times as many.
    replay_bytes: usize,
    /// Lists that have been asked for.
    pub(crate) listings: VecDeque<Listing>,
}

impl Owner {
    pub(crate) fn new(shared: Arc<LocalShared>, counters: Arc<HubCounters>) -> Self {
        Self {
            shared,
            counters,
            topics: PagedSlab::default(),
            index: Index::default(),
            gone: vec![0; EPOCHS],
            keeping: Sweep::default(),
            replay_bytes: 0,
            listings: VecDeque::new(),
        }
    }

    /// Bounds what a subscriber is given at a time of what it has missed, so that it fits an outbox in every form.
    pub(crate) fn limit_replays(&mut self, outbox_limit: usize) {
        self.replay_bytes = self.shared.config.sizes.replay_bytes.min(outbox_limit / 8);
    }

    /// Topics.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) const fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Topics that may have a history.
    #[cfg(feature = "simulation")]
    pub(crate) fn keeping(&self) -> usize {
        self.keeping.len()
    }

    /// Gives a message its place and sends it to all workers with subscribers.
    pub(crate) fn publish(&mut self, mut publish: Publish, now: Duration, peers: &mut Peers) {
        let reply_to = std::mem::replace(&mut publish.reply_to, ReplyTo::Nobody);
        let topic = Name::clone(&publish.topic);
        #[cfg(feature = "simulation")]
        let copy = publish.message.clone();
        let result = self.take_message(publish, reply_to.client(), now, peers);
        #[cfg(feature = "simulation")]
        self.shared.note(|| Entry::published(&topic, now, copy, &result));
        if let Some(reply) = reply_to.answer(topic, result) {
            peers.deliver(reply.conn.worker(), Delivery::Published(Box::new(reply)));
        }
    }

    fn take_message(
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
            return Ok(self.publish_to_nobody(hash));
        }
        let at = self.find_or_create(found, &name, hash, client, now)?;
        let Self { topics, shared, counters, keeping, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.offset += 1;
        counters.published.add(1);
        let offset = topic.offset;
        if !rule.is_off() {
            let frame = message.plain();
            topic.change_history(counters, |history| history.push(offset, frame, now, &rule, shared));
            if !std::mem::replace(&mut topic.keeps, true) {
                keeping.add(at);
            }
        }
        if topic.is_wanted() {
            let publication = Arc::new(Publication::new(
                Name::clone(&topic.name),
                hash,
                offset,
                message,
                Some(reservation),
            ));
            topic.subscribers().for_each(|(worker, _)| {
                peers.deliver(worker, Delivery::Publication(Arc::clone(&publication)))
            });
        }
        let epoch = topic.epoch(shared.names.run());
        let subscribers = topic.subscribers().map(|(_, count)| u64::from(count)).sum();
        self.remove_if_unused(at, hash);
        Ok(Published { offset, epoch, subscribers })
    }

    /// A topic without subscribers and history exists only while a message is published to it. It needs no room.
    fn publish_to_nobody(&mut self, hash: u64) -> Published {
        self.counters.published.add(1);
        let epoch = Epoch { run: self.shared.names.run(), serial: self.serial(hash) };
        self.count_gone(hash);
        Published { offset: 1, epoch, subscribers: 0 }
    }

    /// The topic that a message is published to. If it is the first, and kept, and a client's, that client has created the topic.
    fn find_or_create(
        &mut self,
        found: Option<u32>,
        name: &Name,
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
        let at = found.map_or_else(|| self.make(name, hash, client.is_none(), now), Ok);
        if let Some(client) = creator {
            match at.as_ref().ok().and_then(|&at| self.topics.get_mut(at as usize)) {
                Some(topic) => topic.set_creator(client),
                None => self.shared.quota.remove(client),
            }
        }
        at
    }

    /// A worker has a client that wants to subscribe. From now on it gets all messages of the topic. Returns what giving it what it has
    /// missed takes, in small messages.
    pub(crate) fn subscribe(&mut self, subscribe: Subscribe, now: Duration, peers: &mut Peers) -> usize {
        let Subscribe { topic, hash, requester, since, is_continued } = subscribe;
        let worker = requester.conn.worker();
        let result = self.add_subscriber(&topic, hash, worker, since, now);
        #[cfg(feature = "simulation")]
        self.shared.note(|| Entry::joined(&topic, now, since, &result));
        let cost = result.as_ref().map_or(0, Subscribed::cost);
        let reply = SubscribeReply { topic, hash, requester, is_continued, result };
        peers.deliver(worker, Delivery::Subscribed(Box::new(reply)));
        cost
    }

    fn add_subscriber(
        &mut self,
        name: &Name,
        hash: u64,
        worker: usize,
        since: Option<Position>,
        now: Duration,
    ) -> Result<Subscribed, PublishError> {
        let at = self.find(name, hash).map_or_else(|| self.make(name, hash, false, now), Ok)?;
        let rule = self.shared.config.rules.of(name).history;
        let Self { topics, shared, counters, replay_bytes, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.add_worker(worker);
        let messages = shared.config.sizes.replay_messages;
        let epoch = topic.epoch(shared.names.run());
        let latest = topic.offset;
        let live = Position { offset: latest, epoch };
        let Some(since) = since else {
            return Ok(Subscribed { from: live, recovered: None, missed: Vec::new(), more: false, latest });
        };
        // Of another epoch, or of a future that this one has not had: nothing of what there is has been seen.
        let seen = if since.epoch == epoch && since.offset <= latest { Some(since.offset) } else { None };
        let (name, most) = (Name::clone(&topic.name), (messages, *replay_bytes));
        let missed = topic.change_history(counters, |history| {
            history.expire(now, &rule);
            history.behind(seen.unwrap_or(0), latest, most, |history, at| {
                history.publication(at, &name, hash, now, shared)
            })
        });
        Ok(Subscribed {
            from: Position { offset: missed.from, epoch },
            recovered: Some(seen == Some(missed.from)),
            missed: missed.publications,
            more: missed.more,
            latest,
        })
    }

    /// A worker has so many subscribers of a topic now.
    pub(crate) fn set_subscribers(&mut self, worker: usize, name: &str, hash: u64, count: u32) {
        let Some(at) = self.find(name, hash) else { return };
        if let Some(topic) = self.topics.get_mut(at as usize) {
            topic.set_count(worker, count);
        }
    }

    /// A worker wants no more messages of a topic.
    pub(crate) fn unsubscribe(&mut self, worker: usize, name: &str, hash: u64, now: Duration) {
        let Some(at) = self.find(name, hash) else { return };
        let is_kept = !self.shared.config.rules.of(name).history.is_off();
        let Self { topics, keeping, .. } = self;
        if let Some(topic) = topics.get_mut(at as usize) {
            topic.remove_worker(worker);
            // No subscriber can have missed anything of a topic that has had no messages.
            if is_kept && !topic.is_wanted() && topic.offset > 0 {
                topic.linger(now);
                if !std::mem::replace(&mut topic.keeps, true) {
                    keeping.add(at);
                }
            }
        }
        self.remove_if_unused(at, hash);
    }

    /// What there is of a topic.
    pub(crate) fn look(&self, name: &str, hash: u64) -> Option<TopicInfo> {
        self.topics.get(self.find(name, hash)? as usize).map(|topic| self.describe(topic))
    }

    /// What there is of a topic, found by its name.
    pub(crate) fn look_up(&self, name: &str) -> Option<TopicInfo> {
        self.look(name, self.shared.hash(name))
    }

    /// One more than the highest place of a topic.
    pub(crate) const fn end(&self) -> usize {
        self.topics.end()
    }

    /// The topic at a place.
    pub(crate) fn get(&self, at: usize) -> Option<&OwnedTopic> {
        self.topics.get(at)
    }

    fn find(&self, name: &str, hash: u64) -> Option<u32> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &OwnedTopic| *topic.name == *name);
        self.index.find(hash, is_it)
    }

    /// Makes a topic that is not there, for the operator or for a client. Where there is no room, it evicts one without subscribers and
    /// messages.
    fn make(
        &mut self,
        name: &Name,
        hash: u64,
        is_operators: bool,
        now: Duration,
    ) -> Result<u32, PublishError> {
        let is_there_room =
            self.shared.add_topic(is_operators) || (self.evict(now) && self.shared.add_topic(is_operators));
        if !is_there_room {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyTopics);
        }
        let topic = OwnedTopic::new(Name::clone(name), self.serial(hash));
        // There are at most `max_topics`, which is less than 2^28.
        let at = u32::try_from(self.topics.insert(topic)).unwrap_or(u32::MAX);
        self.index.insert(hash, at);
        self.counters.topics.add(1);
        Ok(at)
    }

    /// The part of a topic's epoch that is its own. A topic that had no messages keeps its epoch when it comes back, since
    /// no subscriber has missed anything.
    fn serial(&self, hash: u64) -> u32 {
        self.gone[epochs(hash)].wrapping_add(1)
    }

    /// A topic is gone that has had messages: the next of its name is another one.
    fn count_gone(&mut self, hash: u64) {
        let gone = &mut self.gone[epochs(hash)];
        *gone = gone.wrapping_add(1);
    }

    /// A topic without subscribers and history is gone.
    pub(super) fn remove_if_unused(&mut self, at: u32, hash: u64) {
        let Some(topic) = self.topics.get_mut(at as usize) else { return };
        // One that is in the list of those with a history is looked at again when its turn comes there.
        if topic.is_wanted() || topic.keeps {
            return;
        }
        let had_messages = topic.offset > 0;
        if let Some(client) = topic.creator() {
            self.shared.quota.remove(client);
        }
        self.topics.remove(at as usize);
        self.index.remove(hash, at);
        self.shared.remove_topic();
        self.counters.topics.decrement();
        if had_messages {
            self.count_gone(hash);
        }
    }

    fn describe(&self, topic: &OwnedTopic) -> TopicInfo {
        let history = topic.history();
        TopicInfo {
            topic: topic.name.to_string(),
            subscribers: topic.subscribers().map(|(_, count)| u64::from(count)).sum(),
            offset: topic.offset,
            epoch: topic.epoch(self.shared.names.run()),
            history_messages: history.map_or(0, History::len),
            history_bytes: history.map_or(0, History::bytes),
        }
    }
}

/// The part of all hashes that one is in.
fn epochs(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - EPOCHS.ilog2())).unwrap_or(0)
}
