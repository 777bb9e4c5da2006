//! A topic at the worker that owns it.

use std::time::Duration;

use super::history::History;
use crate::budget::MAX_WORKERS;
use crate::hub::name::TopicName;
use crate::hub::position::Epoch;
use crate::metrics::HubCounters;
use crate::worker::ConnId;

/// Stands for no worker. Workers' numbers are lower: there are at most 1,024.
const NO_WORKER: u16 = u16::MAX;

/// A topic at its owner: 48 bytes and the name. Most topics have subscribers on one worker and no history.
#[derive(Debug)]
pub(crate) struct OwnedTopic {
    pub(crate) name: TopicName,
    /// The offset of the latest message; 0 before the first.
    pub(crate) offset: u64,
    /// The serial of the topic's epoch.
    serial: u32,
    /// Number of subscribers on `worker`, the first worker with subscribers.
    count: u32,
    worker: u16,
    /// The topic is in the list of topics that stay without subscribers.
    pub(crate) is_swept: bool,
    rare: Option<Box<RareState>>,
}

/// The state that few topics have.
#[derive(Debug, Default)]
struct RareState {
    /// Further workers with subscribers, and the number of subscribers of each.
    workers: Vec<(u16, u32)>,
    history: History,
    /// When the last subscriber left. A topic with a history rule then stays for the rule's `age`, with or without messages, so that a
    /// subscriber that reconnects within that time finds the topic with the same epoch.
    vacated_at: Option<Duration>,
    /// The client that was the first to publish to the topic, if the topic has a history.
    creator: Option<ConnId>,
}

const _: () = assert!(size_of::<OwnedTopic>() == 48);

impl OwnedTopic {
    /// Makes a topic with this name and serial, without messages.
    pub(crate) const fn new(name: TopicName, serial: u32) -> Self {
        Self { name, offset: 0, serial, count: 0, worker: NO_WORKER, is_swept: false, rare: None }
    }

    /// Returns the topic's epoch in a run of the server.
    pub(crate) const fn epoch(&self, run: u32) -> Epoch {
        Epoch { run, serial: self.serial }
    }

    /// Returns the topic's history, if it has one.
    pub(crate) fn history(&self) -> Option<&History> {
        self.rare.as_ref().map(|rare| &rare.history)
    }

    /// Returns whether any worker has subscribed.
    pub(crate) const fn has_workers(&self) -> bool {
        self.worker != NO_WORKER
    }

    /// Returns the workers that have subscribed, and the number of subscribers of each.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = (usize, u32)> {
        let first = self.has_workers().then_some((self.worker, self.count));
        let all = first.into_iter().chain(self.rare.iter().flat_map(|rare| rare.workers.iter().copied()));
        all.map(|(worker, count)| (usize::from(worker), count))
    }

    /// Subscribes a worker to the topic.
    pub(crate) fn add_worker(&mut self, worker: usize) {
        if self.subscribers().any(|(other, _)| other == worker) {
            return;
        }
        self.rare.iter_mut().for_each(|rare| rare.vacated_at = None);
        let worker = worker_number(worker);
        if self.worker == NO_WORKER {
            (self.worker, self.count) = (worker, 0);
        } else {
            self.rare.get_or_insert_default().workers.push((worker, 0));
        }
    }

    /// Sets a worker's number of subscribers. A worker with none may still have pending subscriptions.
    pub(crate) fn set_count(&mut self, worker: usize, count: u32) {
        let worker = worker_number(worker);
        if self.worker == worker {
            self.count = count;
        } else if let Some(rare) = &mut self.rare {
            let entry = rare.workers.iter_mut().find(|entry| entry.0 == worker);
            entry.into_iter().for_each(|entry| entry.1 = count);
        }
    }

    /// Unsubscribes a worker from the topic.
    pub(crate) fn remove_worker(&mut self, worker: usize) {
        let worker = worker_number(worker);
        if self.worker == worker {
            let next = self.rare.as_mut().and_then(|rare| rare.workers.pop());
            (self.worker, self.count) = next.unwrap_or((NO_WORKER, 0));
        } else if let Some(rare) = &mut self.rare {
            rare.workers.retain(|entry| entry.0 != worker);
        }
        self.drop_unused();
    }

    /// Notes that this client is the first to publish to the topic.
    pub(crate) fn set_creator(&mut self, client: ConnId) {
        self.rare.get_or_insert_default().creator = Some(client);
    }

    /// Returns the client that was the first to publish to the topic.
    pub(crate) fn creator(&self) -> Option<ConnId> {
        self.rare.as_ref().and_then(|rare| rare.creator)
    }

    /// Notes the time at which the last subscriber left.
    pub(crate) fn set_vacated(&mut self, now: Duration) {
        self.rare.get_or_insert_default().vacated_at = Some(now);
    }

    /// Returns whether the topic stays without subscribers: it has messages, or its last subscriber left at most `age` ago and topics are
    /// not `short`.
    pub(crate) fn must_stay(&mut self, now: Duration, age: Duration, is_short: bool) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        rare.vacated_at = rare.vacated_at.filter(|time| now.saturating_sub(*time) <= age && !is_short);
        // Forgotten messages that have still to be freed keep the topic as well.
        let must_stay = rare.vacated_at.is_some() || !rare.history.is_freed();
        self.drop_unused();
        must_stay
    }

    /// Changes the history, and updates the counters.
    pub(crate) fn change_history<T>(
        &mut self,
        counters: &HubCounters,
        change: impl FnOnce(&mut History) -> T,
    ) -> T {
        let HubCounters { history_messages, history_bytes, history_forms_bytes, .. } = counters;
        let history = &mut self.rare.get_or_insert_default().history;
        let count = |history: &History| [history.len(), history.bytes(), history.encoding_bytes()];
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
        let is_unused = |rare: &RareState| {
            rare.workers.is_empty()
                && rare.history.is_freed()
                && rare.vacated_at.is_none()
                && rare.creator.is_none()
        };
        if self.rare.as_deref().is_some_and(is_unused) {
            self.rare = None;
        }
    }
}

/// Returns a worker's number in two bytes.
fn worker_number(worker: usize) -> u16 {
    u16::try_from(worker).unwrap_or(NO_WORKER)
}

const _: () = assert!(MAX_WORKERS <= NO_WORKER as usize);
