//! What the ends of the local broker share: the queues between them, and what bounds all topics together.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::messages::{Delivery, Publish, Subscribe};
use super::topic_quota::TopicQuota;
use crate::budget::{FORMS_OF_HISTORY, TOPICS_OF_OPERATOR};
use crate::hub::config::HubConfig;
use crate::hub::hash::{self, NameHasher};
use crate::hub::name::Name;
use crate::worker::Handle;

/// What the ends of all workers share.
pub(crate) struct LocalShared {
    pub(crate) config: Arc<HubConfig>,
    pub(crate) names: NameHasher,
    /// Topics of all owners.
    topics: AtomicUsize,
    /// Bytes of all histories, and those of them that are not of messages but of forms made of them.
    history: AtomicUsize,
    forms: AtomicUsize,
    /// Which clients have created topics that may stay.
    pub(crate) quota: TopicQuota,
    /// There once the first worker has started.
    net: OnceLock<Net>,
}

struct Net {
    handle: Handle,
    workers: Vec<WorkerQueues>,
}

/// One worker's queues, as others see them.
struct WorkerQueues {
    requests: SyncSender<Box<OwnerRequest>>,
    deliveries: SyncSender<Delivery>,
    /// The worker's ends, until it has taken them.
    ends: Mutex<Option<WorkerEnds>>,
}

/// One worker's queues, as it sees them.
pub(crate) struct WorkerEnds {
    pub(super) requests: Receiver<Box<OwnerRequest>>,
    pub(super) deliveries: Receiver<Delivery>,
}

/// What a worker asks of the owner of a topic.
#[derive(Debug)]
pub(crate) enum OwnerRequest {
    Publish(Publish),
    Subscribe(Subscribe),
    /// So many subscribers the topic has on this worker now.
    SetSubscribers {
        worker: usize,
        topic: Name,
        hash: u64,
        count: u32,
    },
    Unsubscribe {
        worker: usize,
        topic: Name,
        hash: u64,
    },
}

/// Why something was not put into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueError {
    Full,
    Ended,
}

impl LocalShared {
    pub(crate) fn new(config: Arc<HubConfig>, names: NameHasher) -> Self {
        Self {
            config,
            names,
            topics: AtomicUsize::new(0),
            history: AtomicUsize::new(0),
            forms: AtomicUsize::new(0),
            quota: TopicQuota::default(),
            net: OnceLock::new(),
        }
    }

    /// Takes a worker's ends of its queues; `None` where they have been taken.
    pub(crate) fn take_ends(&self, worker: usize, handle: &Handle) -> Option<WorkerEnds> {
        let queue = self.config.sizes.queue;
        let net = self.net.get_or_init(|| Net {
            handle: handle.clone(),
            workers: (0..handle.workers()).map(|_| WorkerQueues::new(queue)).collect(),
        });
        let queues = net.workers.get(worker)?;
        queues.ends.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn hash(&self, name: &str) -> u64 {
        self.names.hash(name)
    }

    /// The worker that owns the topic with this hash.
    pub(crate) fn owner(&self, hash: u64) -> usize {
        hash::owner(hash, self.net.get().map_or(1, |net| net.workers.len()))
    }

    /// Sends a request to a worker and wakes it, or gives the request back.
    pub(crate) fn try_request(
        &self,
        worker: usize,
        request: Box<OwnerRequest>,
    ) -> Result<(), (QueueError, Box<OwnerRequest>)> {
        let Some(net) = self.net.get() else { return Err((QueueError::Ended, request)) };
        send(&net.workers[worker].requests, request)?;
        self.wake(worker);
        Ok(())
    }

    /// Sends a delivery to a worker, which has still to be [woken](Self::wake), or gives it back.
    pub(crate) fn try_deliver(
        &self,
        worker: usize,
        delivery: Delivery,
    ) -> Result<(), (QueueError, Delivery)> {
        let Some(net) = self.net.get() else { return Err((QueueError::Ended, delivery)) };
        send(&net.workers[worker].deliveries, delivery)
    }

    /// Has a worker look into its queues.
    pub(crate) fn wake(&self, worker: usize) {
        if let Some(net) = self.net.get() {
            // A worker that has ended needs no waking.
            let _ = net.handle.wake(worker);
        }
    }

    /// Counts one more topic, which the operator wants or a client; `false` where there are as many as there may be.
    pub(crate) fn add_topic(&self, is_operators: bool) -> bool {
        let most = if is_operators { self.config.max_topics } else { self.most_of_clients() };
        let more = |topics: usize| (topics < most).then_some(topics + 1);
        self.topics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Most topics while a client wants another.
    fn most_of_clients(&self) -> usize {
        self.config.max_topics - self.config.max_topics / TOPICS_OF_OPERATOR
    }

    /// Whether clients get no more topics, so that topics without subscribers and messages must go.
    pub(crate) fn is_short_of_topics(&self) -> bool {
        self.topics.load(Ordering::Relaxed) >= self.most_of_clients()
    }

    pub(crate) fn remove_topic(&self) {
        self.topics.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts bytes of histories; `false`, and nothing is counted, where they would be too many.
    pub(crate) fn add_history(&self, bytes: usize) -> bool {
        let most = self.config.history_limit;
        let more = |sum: usize| sum.checked_add(bytes).filter(|&sum| sum <= most);
        self.history.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts bytes of forms made of messages in histories, which have no more than a quarter of what those may have; `false`, and
    /// nothing is counted, where they would be too many.
    pub(crate) fn add_forms(&self, bytes: usize) -> bool {
        let most = self.config.history_limit / FORMS_OF_HISTORY;
        let more = |sum: usize| sum.checked_add(bytes).filter(|&sum| sum <= most);
        if self.forms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return false;
        }
        let fits = self.add_history(bytes);
        if !fits {
            self.forms.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    pub(crate) fn remove_forms(&self, bytes: usize) {
        self.forms.fetch_sub(bytes, Ordering::Relaxed);
        self.remove_history(bytes);
    }

    pub(crate) fn remove_history(&self, bytes: usize) {
        self.history.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of all histories.
    #[cfg(test)]
    pub(crate) fn history(&self) -> usize {
        self.history.load(Ordering::Relaxed)
    }

    /// Writes down what an owner has decided.
    #[cfg(feature = "simulation")]
    pub(crate) fn note(&self, entry: impl FnOnce() -> crate::hub::journal::Entry) {
        if let Some(journal) = &self.config.journal {
            journal.note(entry());
        }
    }
}

fn send<T>(queue: &SyncSender<T>, entry: T) -> Result<(), (QueueError, T)> {
    queue.try_send(entry).map_err(|error| match error {
        TrySendError::Full(entry) => (QueueError::Full, entry),
        TrySendError::Disconnected(entry) => (QueueError::Ended, entry),
    })
}

impl WorkerQueues {
    fn new(queue: usize) -> Self {
        let (requests, requested) = sync_channel(queue);
        let (deliveries, delivered) = sync_channel(queue);
        let ends = WorkerEnds { requests: requested, deliveries: delivered };
        Self { requests, deliveries, ends: Mutex::new(Some(ends)) }
    }
}

impl fmt::Debug for LocalShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalShared").field("topics", &self.topics).finish_non_exhaustive()
    }
}
