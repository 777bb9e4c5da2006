//! A topic, as the worker that owns it keeps it.

use std::time::Duration;

use super::history::History;
use crate::budget::MAX_WORKERS;
use crate::hub::name::Name;
use crate::hub::position::Epoch;
use crate::metrics::HubCounters;
use crate::worker::ConnId;

/// No worker: there are at most 1,024.
const NO_WORKER: u16 = u16::MAX;

/// A topic, 48 bytes and its name. Most have subscribers on one worker and no history.
#[derive(Debug)]
pub(crate) struct OwnedTopic {
    pub(crate) name: Name,
    /// Of the latest message; 0 before the first.
    pub(crate) offset: u64,
    /// The part of the epoch that is this topic's.
    serial: u32,
    /// Subscribers on the one worker that has some.
    count: u32,
    worker: u16,
    /// It is in the list of those with a history.
    pub(crate) keeps: bool,
    more: Option<Box<More>>,
}

/// What few topics have.
#[derive(Debug, Default)]
struct More {
    /// Workers with subscribers beyond the first, and how many each has.
    workers: Vec<(u16, u32)>,
    history: History,
    /// When the last subscriber has left. A topic whose messages are kept stays for as long as they are, if there are any or not, so
    /// that a subscriber that comes back meanwhile finds the topic with its epoch.
    left: Option<Duration>,
    /// The client that was the first to publish to it, while a history lets it stay.
    creator: Option<ConnId>,
}

const _: () = assert!(size_of::<OwnedTopic>() == 48);

impl OwnedTopic {
    /// The topic of this name with this number, of which nothing has been published.
    pub(crate) const fn new(name: Name, serial: u32) -> Self {
        Self { name, offset: 0, serial, count: 0, worker: NO_WORKER, keeps: false, more: None }
    }

    /// Its epoch in a run of the server.
    pub(crate) const fn epoch(&self, run: u32) -> Epoch {
        Epoch { run, serial: self.serial }
    }

    /// What is kept of it.
    pub(crate) fn history(&self) -> Option<&History> {
        self.more.as_ref().map(|more| &more.history)
    }

    /// Whether some worker wants its messages.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.worker != NO_WORKER
    }

    /// Workers with subscribers, and how many each has.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = (usize, u32)> {
        let first = self.is_wanted().then_some((self.worker, self.count));
        let all = first.into_iter().chain(self.more.iter().flat_map(|more| more.workers.iter().copied()));
        all.map(|(worker, count)| (usize::from(worker), count))
    }

    /// A worker wants its messages from now on.
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

    /// A worker has so many subscribers now. With none it may still have clients that want to be.
    pub(crate) fn set_count(&mut self, worker: usize, count: u32) {
        let worker = short(worker);
        if self.worker == worker {
            self.count = count;
        } else if let Some(more) = &mut self.more {
            let entry = more.workers.iter_mut().find(|entry| entry.0 == worker);
            entry.into_iter().for_each(|entry| entry.1 = count);
        }
    }

    /// A worker wants no more messages.
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

    /// This client is the first to publish to it.
    pub(crate) fn set_creator(&mut self, client: ConnId) {
        self.more.get_or_insert_default().creator = Some(client);
    }

    /// The client that was the first to publish to it.
    pub(crate) fn creator(&self) -> Option<ConnId> {
        self.more.as_ref().and_then(|more| more.creator)
    }

    /// Its last subscriber has left.
    pub(crate) fn linger(&mut self, now: Duration) {
        self.more.get_or_insert_default().left = Some(now);
    }

    /// Whether it stays without subscribers: there are messages of it, or its last subscriber has left less than `age` ago and room
    /// is not `short`.
    pub(crate) fn stays(&mut self, now: Duration, age: Duration, is_short: bool) -> bool {
        let Some(more) = &mut self.more else { return false };
        more.left = more.left.filter(|left| now.saturating_sub(*left) <= age && !is_short);
        // What is left to be freed is found by the topic's place.
        let stays = more.left.is_some() || !more.history.holds_nothing();
        self.drop_unused();
        stays
    }

    /// Changes the history, and the counters with it.
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

/// A worker's number in two bytes.
fn short(worker: usize) -> u16 {
    u16::try_from(worker).unwrap_or(NO_WORKER)
}

const _: () = assert!(MAX_WORKERS <= NO_WORKER as usize);
