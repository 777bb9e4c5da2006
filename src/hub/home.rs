//! The topics that are at home on a worker: their offsets, their histories, and which workers have subscribers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Ends, Exchange};
use super::freight::Freight;
use super::history::History;
use super::home_topic::Topic;
use super::index::Index;
#[cfg(feature = "simulation")]
use super::journal::Entry;
use super::listing::Listing;
use super::mail::{Asker, Delivery, Join, Joined, ToClient, Welcome};
use super::message::Item;
use super::name::Name;
use super::outcome::{PublishError, Published, TopicInfo};
use super::position::{Epoch, Position};
use super::posts::Posts;
use super::sweep::Sweep;
use crate::base::pages::PagedSlab;
use crate::metrics::HubCounters;
use crate::worker::{ConnId, PreparedMessage};

const TOPICS_PER_PAGE: usize = 256;
/// Parts of all hashes within which topics that go are counted together.
const EPOCHS: usize = 4096;

/// The topics at home here.
pub(crate) struct Home {
    pub(super) exchange: Arc<Exchange>,
    pub(super) counters: Arc<HubCounters>,
    pub(super) topics: PagedSlab<Topic, TOPICS_PER_PAGE>,
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

impl Home {
    pub(crate) fn new(exchange: Arc<Exchange>, ends: &Ends) -> Self {
        Self {
            exchange,
            counters: Arc::clone(&ends.counters),
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
        self.replay_bytes = self.exchange.config.sizes.replay_bytes.min(outbox_limit / 8);
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
    #[expect(clippy::too_many_arguments, reason = "all of one message")]
    pub(crate) fn publish(
        &mut self,
        name: Name,
        hash: u64,
        message: PreparedMessage,
        freight: Freight,
        asker: Asker,
        now: Duration,
        posts: &mut Posts,
    ) {
        #[cfg(feature = "simulation")]
        let copy = message.clone();
        let result = self.take_message(&name, hash, message, freight, asker.client(), now, posts);
        #[cfg(feature = "simulation")]
        self.exchange.note(|| Entry::published(&name, now, copy, &result));
        match asker {
            Asker::Nobody => {}
            Asker::Thread(reply) => reply.settle(result),
            Asker::Client(conn, id) => {
                let note = ToClient { conn, id, topic: name, result };
                posts.deliver(conn.worker(), Delivery::Published(Box::new(note)));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of one message")]
    fn take_message(
        &mut self,
        name: &Name,
        hash: u64,
        message: PreparedMessage,
        freight: Freight,
        client: Option<ConnId>,
        now: Duration,
        posts: &mut Posts,
    ) -> Result<Published, PublishError> {
        let rule = self.exchange.config.rules.of(name).history;
        let found = self.find(name, hash);
        if found.is_none() && rule.is_off() {
            return Ok(self.publish_to_nobody(hash));
        }
        let at = self.find_or_found(found, name, hash, client, now)?;
        let Self { topics, exchange, counters, keeping, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.offset += 1;
        counters.published.add(1);
        let offset = topic.offset;
        if !rule.is_off() {
            let frame = message.plain();
            topic.change_history(counters, |history| history.push(offset, frame, now, &rule, exchange));
            if !std::mem::replace(&mut topic.keeps, true) {
                keeping.add(at);
            }
        }
        if topic.is_wanted() {
            let item = Arc::new(Item::new(Name::clone(&topic.name), hash, offset, message, Some(freight)));
            topic
                .subscribers()
                .for_each(|(worker, _)| posts.deliver(worker, Delivery::Item(Arc::clone(&item))));
        }
        let epoch = topic.epoch(exchange.run);
        let subscribers = topic.subscribers().map(|(_, count)| u64::from(count)).sum();
        self.remove_if_unused(at, hash);
        Ok(Published { offset, epoch, subscribers })
    }

    /// A topic that is not there comes and goes with a message which nobody gets and nothing keeps: there need not be room for it.
    fn publish_to_nobody(&mut self, hash: u64) -> Published {
        self.counters.published.add(1);
        let epoch = Epoch { run: self.exchange.run, serial: self.serial(hash) };
        self.count_gone(hash);
        Published { offset: 1, epoch, subscribers: 0 }
    }

    /// The topic that a message is published to. If it is the first, and kept, and a client's, that client has founded the topic.
    fn find_or_found(
        &mut self,
        found: Option<u32>,
        name: &Name,
        hash: u64,
        client: Option<ConnId>,
        now: Duration,
    ) -> Result<u32, PublishError> {
        let is_first =
            found.and_then(|at| self.topics.get(at as usize)).is_none_or(|topic| topic.offset == 0);
        let is_kept = !self.exchange.config.rules.of(name).history.is_off();
        let founder = client.filter(|_| is_first && is_kept);
        if let Some(client) = founder
            && !self.exchange.founders.add(client, self.exchange.config.max_client_topics)
        {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyFounded);
        }
        let at = found.map_or_else(|| self.make(name, hash, client.is_none(), now), Ok);
        if let Some(client) = founder {
            match at.as_ref().ok().and_then(|&at| self.topics.get_mut(at as usize)) {
                Some(topic) => topic.set_founder(client),
                None => self.exchange.founders.remove(client),
            }
        }
        at
    }

    /// A worker has a client that wants to subscribe. From now on it gets all messages of the topic. Returns what giving it what it has
    /// missed takes, in small messages.
    pub(crate) fn join(&mut self, join: Join, now: Duration, posts: &mut Posts) -> usize {
        let Join { topic, hash, who, since, goes_on } = join;
        let worker = who.conn.worker();
        let result = self.welcome(&topic, hash, worker, since, now);
        #[cfg(feature = "simulation")]
        self.exchange.note(|| Entry::joined(&topic, now, since, &result));
        let cost = result.as_ref().map_or(0, Welcome::cost);
        let joined = Joined { topic, hash, who, goes_on, result };
        posts.deliver(worker, Delivery::Joined(Box::new(joined)));
        cost
    }

    fn welcome(
        &mut self,
        name: &Name,
        hash: u64,
        worker: usize,
        since: Option<Position>,
        now: Duration,
    ) -> Result<Welcome, PublishError> {
        let at = self.find(name, hash).map_or_else(|| self.make(name, hash, false, now), Ok)?;
        let rule = self.exchange.config.rules.of(name).history;
        let Self { topics, exchange, counters, replay_bytes, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.add_worker(worker);
        let messages = exchange.config.sizes.replay_messages;
        let epoch = topic.epoch(exchange.run);
        let latest = topic.offset;
        let live = Position { offset: latest, epoch };
        let Some(since) = since else {
            return Ok(Welcome { from: live, recovered: None, missed: Vec::new(), more: false, latest });
        };
        // Of another epoch, or of a future that this one has not had: nothing of what there is has been seen.
        let seen = if since.epoch == epoch && since.offset <= latest { Some(since.offset) } else { None };
        let (name, most) = (Name::clone(&topic.name), (messages, *replay_bytes));
        let missed = topic.change_history(counters, |history| {
            history.expire(now, &rule);
            history.behind(seen.unwrap_or(0), latest, most, |history, at| {
                history.item(at, &name, hash, now, exchange)
            })
        });
        Ok(Welcome {
            from: Position { offset: missed.from, epoch },
            recovered: Some(seen == Some(missed.from)),
            missed: missed.items,
            more: missed.more,
            latest,
        })
    }

    /// A worker has so many subscribers of a topic now.
    pub(crate) fn count(&mut self, worker: usize, name: &str, hash: u64, count: u32) {
        let Some(at) = self.find(name, hash) else { return };
        if let Some(topic) = self.topics.get_mut(at as usize) {
            topic.set_count(worker, count);
        }
    }

    /// A worker wants no more messages of a topic.
    pub(crate) fn leave(&mut self, worker: usize, name: &str, hash: u64, now: Duration) {
        let Some(at) = self.find(name, hash) else { return };
        let is_kept = !self.exchange.config.rules.of(name).history.is_off();
        let Self { topics, keeping, .. } = self;
        if let Some(topic) = topics.get_mut(at as usize) {
            topic.remove_worker(worker);
            // Of what nothing was published to nobody can have missed anything.
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

    /// The same by its name alone.
    pub(crate) fn look_up(&self, name: &str) -> Option<TopicInfo> {
        self.look(name, self.exchange.hash(name))
    }

    /// One more than the highest place of a topic.
    pub(crate) const fn end(&self) -> usize {
        self.topics.end()
    }

    /// The topic at a place.
    pub(crate) fn get(&self, at: usize) -> Option<&Topic> {
        self.topics.get(at)
    }

    fn find(&self, name: &str, hash: u64) -> Option<u32> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &Topic| *topic.name == *name);
        self.index.find(hash, is_it)
    }

    /// Makes a topic that is not there, for the operator or for a client, if need be in the place of one that nobody misses.
    fn make(
        &mut self,
        name: &Name,
        hash: u64,
        is_operators: bool,
        now: Duration,
    ) -> Result<u32, PublishError> {
        let is_there_room = self.exchange.add_topic(is_operators)
            || (self.evict(now) && self.exchange.add_topic(is_operators));
        if !is_there_room {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyTopics);
        }
        let topic = Topic::new(Name::clone(name), self.serial(hash));
        // There are at most `max_topics`, which is less than 2^28.
        let at = u32::try_from(self.topics.insert(topic)).unwrap_or(u32::MAX);
        self.index.insert(hash, at);
        self.counters.topics.add(1);
        Ok(at)
    }

    /// The part of a topic's epoch that is its own. One that had no messages is the same when it comes back, since who has subscribed
    /// to it has missed nothing.
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
        if let Some(client) = topic.founder() {
            self.exchange.founders.remove(client);
        }
        self.topics.remove(at as usize);
        self.index.remove(hash, at);
        self.exchange.remove_topic();
        self.counters.topics.decrement();
        if had_messages {
            self.count_gone(hash);
        }
    }

    fn describe(&self, topic: &Topic) -> TopicInfo {
        let history = topic.history();
        TopicInfo {
            topic: topic.name.to_string(),
            subscribers: topic.subscribers().map(|(_, count)| u64::from(count)).sum(),
            offset: topic.offset,
            epoch: topic.epoch(self.exchange.run),
            history_messages: history.map_or(0, History::len),
            history_bytes: history.map_or(0, History::bytes),
        }
    }
}

/// The part of all hashes that one is in.
fn epochs(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - EPOCHS.ilog2())).unwrap_or(0)
}
