//! A topic at the worker that owns it.

use std::time::Duration;

use super::history::History;
use crate::budget::MAX_WORKERS;
use crate::hub::name::Name;
use crate::hub::position::Epoch;
use crate::metrics::HubCounters;
use crate::worker::ConnId;

/// Stands for no worker. Workers' numbers are lower: there are at most 1,024.
const NO_WORKER: u16 = u16::MAX;

/// A topic at its owner: 48 bytes and the name. Most topics have subscribers on one worker and no history.
#[derive(Debug)]
pub(crate) struct OwnedTopic {
    pub(crate) name: Name,
    /// The offset of the latest message; 0 before the first.
    pub(crate) offset: u64,
    /// The serial of the topic's epoch.
    serial: u32,
    /// Number of subscribers on `worker`, the first worker with subscribers.
    count: u32,
    worker: u16,
    /// The topic is in the list of topics that stay without subscribers.
    pub(crate) keeps: bool,
    more: Option<Box<More>>,
}

/// The state that few topics have.
#[derive(Debug, Default)]
struct More {
    /// Further workers with subscribers, and the number of subscribers of each.
    workers: Vec<(u16, u32)>,
    history: History,
    /// When the last subscriber left. A topic with a history rule then stays for the rule's `age`, with or without messages, so that a
    /// subscriber that reconnects within that time finds the topic with the same epoch.
    left: Option<Duration>,
    /// The client that was the first to publish to the topic, if the topic has a history.
    creator: Option<ConnId>,
}

const _: () = assert!(size_of::<OwnedTopic>() == 48);

impl OwnedTopic {
    /// Makes a topic with this name and serial, without messages.
    pub(crate) const fn new(name: Name, serial: u32) -> Self {
        Self { name, offset: 0, serial, count: 0, worker: NO_WORKER, keeps: false, more: None }
    }

    /// Returns the topic's epoch in a run of the server.
    pub(crate) const fn epoch(&self, run: u32) -> Epoch {
        Epoch { run, serial: self.serial }
    }

    /// Returns the topic's history, if it has one.
    pub(crate) fn history(&self) -> Option<&History> {
        self.more.as_ref().map(|more| &more.history)
    }

    /// Returns whether any worker has subscribed.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.worker != NO_WORKER
    }

    /// Returns the workers that have subscribed, and the number of subscribers of each.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = (usize, u32)> {
        let first = self.is_wanted().then_some((self.worker, self.count));
        let all = first.into_iter().chain(self.more.iter().flat_map(|more| more.workers.iter().copied()));
        all.map(|(worker, count)| (usize::from(worker), count))
    }

    /// Subscribes a worker to the topic.
    pub(crate) fn add_worker(&mut self, worker: usize) {
        if self.subscribers().any(|(other, _)| other == worker) {
            return;
        }
        self.more.iter_mut().for_each(|more| more.left = None);
        let worker = short(worker);
        if self.worker == NO_WORKER {
            (self.worker, self.count) = (worker, 0);
        } else {
            self.more.get_or_insert_default().workers.push((worker, 0));
        }
    }

    /// Sets a worker's number of subscribers. A worker with none may still have pending subscriptions.
    pub(crate) fn set_count(&mut self, worker: usize, count: u32) {
        let worker = short(worker);
        if self.worker == worker {
            self.count = count;
        } else if let Some(more) = &mut self.more {
            let entry = more.workers.iter_mut().find(|entry| entry.0 == worker);
            entry.into_iter().for_each(|entry| entry.1 = count);
        }
    }

    /// Unsubscribes a worker from the topic.
    pub(crate) fn remove_worker(&mut self, worker: usize) {
        let worker = short(worker);
        if self.worker == worker {
            let next = self.more.as_mut().and_then(|more| more.workers.pop());
            (self.worker, self.count) = next.unwrap_or((NO_WORKER, 0));
        } else if let Some(more) = &mut self.more {
            more.workers.retain(|entry| entry.0 != worker);
        }
        self.drop_unused();
    }

    /// Notes that this client is the first to publish to the topic.
    pub(crate) fn set_creator(&mut self, client: ConnId) {
        self.more.get_or_insert_default().creator = Some(client);
    }

    /// Returns the client that was the first to publish to the topic.
    pub(crate) fn creator(&self) -> Option<ConnId> {
        self.more.as_ref().and_then(|more| more.creator)
    }

    /// Notes the time at which the last subscriber left.
    pub(crate) fn linger(&mut self, now: Duration) {
        self.more.get_or_insert_default().left = Some(now);
    }

    /// Returns whether the topic stays without subscribers: it has messages, or its last subscriber left at most `age` ago and topics are
    /// not `short`.
    pub(crate) fn stays(&mut self, now: Duration, age: Duration, is_short: bool) -> bool {
        let Some(more) = &mut self.more else { return false };
        more.left = more.left.filter(|left| now.saturating_sub(*left) <= age && !is_short);
        // Forgotten messages that have still to be freed keep the topic as well.
        let stays = more.left.is_some() || !more.history.holds_nothing();
        self.drop_unused();
        stays
    }

    /// Changes the history, and updates the counters.
    pub(crate) fn change_history<T>(
        &mut self,
        counters: &HubCounters,
        change: impl FnOnce(&mut History) -> T,
    ) -> T {
        let HubCounters { history_messages, history_bytes, history_forms_bytes, .. } = counters;
        let history = &mut self.more.get_or_insert_default().history;
        let count = |history: &History| [history.len(), history.bytes(), history.forms()];
        let before = count(history);
        let changed = change(history);
        let counted = [history_messages, history_bytes, history_forms_bytes];
        for ((counter, after), before) in counted.iter().zip(count(history)).zip(before) {
            counter.set(counter.get().wrapping_add(after as u64).wrapping_sub(before as u64));
        }
        self.drop_unused();
        changed
    }

    fn drop_unused(&mut self) {
        let is_unused = |more: &More| {
            more.workers.is_empty()
                && more.history.holds_nothing()
                && more.left.is_none()
                && more.creator.is_none()
        };
        if self.more.as_deref().is_some_and(is_unused) {
            self.more = None;
        }
    }
}

/// Returns a worker's number in two bytes.
fn short(worker: usize) -> u16 {
    u16::try_from(worker).unwrap_or(NO_WORKER)
}

const _: () = assert!(MAX_WORKERS <= NO_WORKER as usize);
