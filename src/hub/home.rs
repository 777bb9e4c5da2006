//! The topics that are at home on a worker: their offsets, their histories, and which workers have subscribers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Ends, Exchange};
use super::history::History;
use super::index::Index;
use super::mail::{Asker, Delivery, Join, Joined, ToClient, Welcome};
use super::message::{Epoch, Item, Position};
use super::name::Name;
use super::posts::Posts;
use super::publisher::{Answer, PublishError, Published, TopicInfo};
use super::stats::HubCounters;
use crate::worker::{PreparedMessage, Table};

/// Missed messages given to a subscriber at a time, and bytes of their payloads.
const REPLAY_MESSAGES: usize = 64;
const REPLAY_BYTES: usize = 64 * 1024;
/// Time in which all histories are looked through for what is too old.
const SWEEP: Duration = Duration::from_secs(5);
/// Time between two looks at a part of them.
pub(crate) const SWEEP_STEP: Duration = Duration::from_millis(100);
/// The least topics in such a part.
const SWEEP_LEAST: usize = 64;

const TOPICS_PER_PAGE: usize = 256;

/// No worker: there are at most 1,024.
const NOBODY: u16 = u16::MAX;

/// A topic, 48 bytes and its name. Most have subscribers on one worker and no history.
#[derive(Debug)]
struct Topic {
    name: Name,
    /// Of the latest message; 0 before the first.
    offset: u64,
    /// The part of the epoch that is this topic's.
    serial: u32,
    /// Subscribers on the one worker that has some.
    count: u32,
    worker: u16,
    /// It is in the list of those with a history.
    keeps: bool,
    more: Option<Box<More>>,
}

/// What few topics have.
#[derive(Debug, Default)]
struct More {
    /// Workers with subscribers beyond the first, and how many each has.
    workers: Vec<(u16, u32)>,
    history: History,
}

const _: () = assert!(size_of::<Topic>() == 48);

/// The topics at home here.
pub(crate) struct Home {
    exchange: Arc<Exchange>,
    counters: Arc<HubCounters>,
    topics: Table<Topic, TOPICS_PER_PAGE>,
    index: Index,
    next_serial: u32,
    /// Topics with a history, in the order in which they are looked through; a number may have come to mean another one.
    keeping: VecDeque<u32>,
    swept: Duration,
}

impl Home {
    pub(crate) fn new(exchange: Arc<Exchange>, ends: &Ends) -> Self {
        Self {
            exchange,
            counters: Arc::clone(&ends.counters),
            topics: Table::default(),
            index: Index::default(),
            next_serial: 1,
            keeping: VecDeque::new(),
            swept: Duration::ZERO,
        }
    }

    /// Whether there are histories, in which messages grow old.
    pub(crate) fn keeps(&self) -> bool {
        !self.keeping.is_empty()
    }

    /// Gives a message its place and sends it to all workers with subscribers.
    pub(crate) fn publish(
        &mut self,
        name: Name,
        hash: u64,
        message: PreparedMessage,
        asker: Asker,
        now: Duration,
        posts: &mut Posts,
    ) {
        let result = self.take_message(&name, hash, message, now, posts);
        match asker {
            Asker::Nobody => {}
            Asker::Thread(reply) => reply.give(result.map_or_else(Answer::Refused, Answer::Published)),
            Asker::Client(conn, id) => {
                let note = ToClient { conn, id, topic: name, result };
                posts.deliver(conn.worker(), Delivery::Published(Box::new(note)));
            }
        }
    }

    fn take_message(
        &mut self,
        name: &Name,
        hash: u64,
        message: PreparedMessage,
        now: Duration,
        posts: &mut Posts,
    ) -> Result<Published, PublishError> {
        let at = self.find_or_make(name, hash)?;
        let rule = self.exchange.config.rules.of(name).history;
        let Self { topics, exchange, counters, keeping, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.offset += 1;
        counters.published.add(1);
        let offset = topic.offset;
        let item = Arc::new(Item::new(Name::clone(&topic.name), hash, offset, message));
        for (worker, _) in topic.subscribers() {
            posts.deliver(usize::from(worker), Delivery::Item(Arc::clone(&item)));
        }
        if !rule.is_off() {
            topic.change_history(counters, |history| history.push(item, now, &rule, exchange));
            if !std::mem::replace(&mut topic.keeps, true) {
                keeping.push_back(at);
            }
        }
        let epoch = Epoch { run: exchange.run, serial: topic.serial };
        let subscribers = topic.subscribers().map(|(_, count)| u64::from(count)).sum();
        self.remove_if_unused(at, hash);
        Ok(Published { offset, epoch, subscribers })
    }

    /// A worker has a client that wants to subscribe. From now on it gets all messages of the topic.
    pub(crate) fn join(&mut self, join: Join, now: Duration, posts: &mut Posts) {
        let Join { topic, hash, who, since, goes_on } = join;
        let worker = who.conn.worker();
        let result = self.welcome(&topic, hash, worker, since, now);
        let joined = Joined { topic, hash, who, goes_on, result };
        posts.deliver(worker, Delivery::Joined(Box::new(joined)));
    }

    fn welcome(
        &mut self,
        name: &Name,
        hash: u64,
        worker: usize,
        since: Option<Position>,
        now: Duration,
    ) -> Result<Welcome, PublishError> {
        let at = self.find_or_make(name, hash)?;
        let rule = self.exchange.config.rules.of(name).history;
        let Self { topics, exchange, counters, .. } = self;
        let Some(topic) = topics.get_mut(at as usize) else { return Err(PublishError::TooManyTopics) };
        topic.add_worker(u16::try_from(worker).unwrap_or(NOBODY));
        let epoch = Epoch { run: exchange.run, serial: topic.serial };
        let latest = topic.offset;
        let live = Position { offset: latest, epoch };
        let Some(since) = since else {
            return Ok(Welcome { from: live, recovered: None, missed: Vec::new(), more: false, latest });
        };
        // Of another epoch, or of a future that this one has not had: nothing of what there is has been seen.
        let seen = if since.epoch == epoch && since.offset <= latest { Some(since.offset) } else { None };
        topic.change_history(counters, |history| history.expire(now, &rule, exchange));
        let missed = match &topic.more {
            Some(more) => more.history.behind(seen.unwrap_or(0), latest, REPLAY_MESSAGES, REPLAY_BYTES),
            None => History::default().behind(latest, latest, 0, 0),
        };
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
            topic.set_count(u16::try_from(worker).unwrap_or(NOBODY), count);
        }
        self.remove_if_unused(at, hash);
    }

    /// What there is of a topic.
    pub(crate) fn look(&self, name: &str, hash: u64) -> Option<TopicInfo> {
        self.topics.get(self.find(name, hash)? as usize).map(|topic| self.describe(topic))
    }

    /// The first `limit` topics whose names begin so, in order.
    pub(crate) fn list(&self, prefix: &str, limit: usize) -> Vec<TopicInfo> {
        let all = self.index.iter().filter_map(|at| self.topics.get(at as usize));
        let mut found: Vec<&Topic> = all.filter(|topic| topic.name.starts_with(prefix)).collect();
        if found.len() > limit {
            found.select_nth_unstable_by(limit, |a, b| a.name.cmp(&b.name));
            found.truncate(limit);
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        found.into_iter().map(|topic| self.describe(topic)).collect()
    }

    /// Forgets messages that are too old, a part of the topics at a time.
    pub(crate) fn sweep(&mut self, now: Duration) {
        if self.keeping.is_empty() || now < self.swept + SWEEP_STEP {
            return;
        }
        self.swept = now;
        let steps = SWEEP.as_millis().div_ceil(SWEEP_STEP.as_millis());
        let part = self.keeping.len().div_ceil(usize::try_from(steps).unwrap_or(1)).max(SWEEP_LEAST);
        for _ in 0..part.min(self.keeping.len()) {
            let Some(at) = self.keeping.pop_front() else { break };
            let Self { topics, exchange, counters, .. } = self;
            let Some(topic) = topics.get_mut(at as usize).filter(|topic| topic.keeps) else { continue };
            let rule = exchange.config.rules.of(&topic.name).history;
            topic.change_history(counters, |history| history.expire(now, &rule, exchange));
            if topic.has_history() {
                self.keeping.push_back(at);
                continue;
            }
            topic.keeps = false;
            let hash = exchange.hash(&topic.name);
            self.remove_if_unused(at, hash);
        }
        if self.keeping.is_empty() {
            self.keeping = VecDeque::new();
        }
    }

    fn find(&self, name: &str, hash: u64) -> Option<u32> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &Topic| *topic.name == *name);
        self.index.find(hash, is_it)
    }

    fn find_or_make(&mut self, name: &Name, hash: u64) -> Result<u32, PublishError> {
        if let Some(at) = self.find(name, hash) {
            return Ok(at);
        }
        if !self.exchange.add_topic() {
            self.counters.refused_at_limit.add(1);
            return Err(PublishError::TooManyTopics);
        }
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let topic = Topic {
            name: Name::clone(name),
            offset: 0,
            serial,
            count: 0,
            worker: NOBODY,
            keeps: false,
            more: None,
        };
        // There are at most `max_topics`, which is less than 2^28.
        let at = u32::try_from(self.topics.insert(topic)).unwrap_or(u32::MAX);
        self.index.insert(hash, at);
        self.counters.topics.add(1);
        Ok(at)
    }

    /// A topic without subscribers and history is gone.
    fn remove_if_unused(&mut self, at: u32, hash: u64) {
        let Some(topic) = self.topics.get_mut(at as usize) else { return };
        // One that is in the list of those with a history is looked at again when its turn comes there.
        if topic.worker != NOBODY || topic.keeps {
            return;
        }
        self.topics.remove(at as usize);
        self.index.remove(hash, at);
        self.exchange.remove_topic();
        self.counters.topics.decrement();
    }

    fn describe(&self, topic: &Topic) -> TopicInfo {
        let history = topic.more.as_ref().map(|more| &more.history);
        TopicInfo {
            topic: topic.name.to_string(),
            subscribers: topic.subscribers().map(|(_, count)| u64::from(count)).sum(),
            offset: topic.offset,
            epoch: Epoch { run: self.exchange.run, serial: topic.serial },
            history_messages: history.map_or(0, History::len),
            history_bytes: history.map_or(0, History::bytes),
        }
    }
}

impl Topic {
    /// Workers with subscribers, and how many each has.
    fn subscribers(&self) -> impl Iterator<Item = (u16, u32)> {
        let first = (self.worker != NOBODY).then_some((self.worker, self.count));
        first.into_iter().chain(self.more.iter().flat_map(|more| more.workers.iter().copied()))
    }

    fn add_worker(&mut self, worker: u16) {
        if self.subscribers().any(|(other, _)| other == worker) {
            return;
        }
        if self.worker == NOBODY {
            (self.worker, self.count) = (worker, 0);
        } else {
            self.more.get_or_insert_default().workers.push((worker, 0));
        }
    }

    fn set_count(&mut self, worker: u16, count: u32) {
        if self.worker == worker {
            self.count = count;
            if count == 0 {
                let next = self.more.as_mut().and_then(|more| more.workers.pop());
                (self.worker, self.count) = next.unwrap_or((NOBODY, 0));
            }
        } else if let Some(more) = &mut self.more {
            match more.workers.iter().position(|entry| entry.0 == worker) {
                Some(at) if count == 0 => {
                    more.workers.swap_remove(at);
                }
                Some(at) => more.workers[at].1 = count,
                None => {}
            }
        }
        self.drop_unused();
    }

    fn has_history(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.history.len() > 0)
    }

    /// Changes the history, and the counters with it.
    fn change_history(&mut self, counters: &HubCounters, change: impl FnOnce(&mut History)) {
        let more = self.more.get_or_insert_default();
        let before = (more.history.len() as u64, more.history.bytes() as u64);
        change(&mut more.history);
        let (messages, bytes) = (&counters.history_messages, &counters.history_bytes);
        messages.set(messages.get().wrapping_add(more.history.len() as u64).wrapping_sub(before.0));
        bytes.set(bytes.get().wrapping_add(more.history.bytes() as u64).wrapping_sub(before.1));
        self.drop_unused();
    }

    fn drop_unused(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.workers.is_empty() && more.history.len() == 0) {
            self.more = None;
        }
    }
}
