//! The state that the ends of the local broker share: the queues between workers, and the limits of all topics together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::messages::{Delivery, Publish, Subscribe};
use super::topic_quota::TopicQuota;
use crate::budget::{HISTORY_ENCODINGS_DIVISOR, OPERATOR_TOPICS_DIVISOR};
use crate::hub::config::HubConfig;
use crate::hub::hash::NameHasher;
use crate::hub::name::TopicName;
use crate::hub::outcome::PublishError;
use crate::hub::worker_queues::WorkerQueues;
use crate::worker::Handle;

/// The state that the ends of all workers share.
pub(crate) struct LocalBrokerShared {
    pub(crate) config: Arc<HubConfig>,
    pub(crate) hasher: NameHasher,
    /// Number of topics of all owners.
    topics: AtomicUsize,
    /// Bytes of all histories, and the part of them that encodings take.
    history: AtomicUsize,
    encodings: AtomicUsize,
    /// Number of topics that each client has created.
    pub(crate) quota: TopicQuota,
    queues: WorkerQueues<WorkerSenders, WorkerReceivers>,
}

/// The sending ends of one worker's queues.
struct WorkerSenders {
    requests: SyncSender<Box<OwnerRequest>>,
    deliveries: SyncSender<Delivery>,
}

/// The receiving ends of one worker's queues.
pub(crate) struct WorkerReceivers {
    pub(super) requests: Receiver<Box<OwnerRequest>>,
    pub(super) deliveries: Receiver<Delivery>,
}

/// A request of a worker to the owner of a topic.
#[derive(Debug)]
pub(crate) enum OwnerRequest {
    Publish(Publish),
    Subscribe(Subscribe),
    /// The number of the topic's subscribers on this worker has changed to `count`.
    SetSubscribers {
        worker: usize,
        topic: TopicName,
        hash: u64,
        count: u32,
    },
    Unsubscribe {
        worker: usize,
        topic: TopicName,
        hash: u64,
    },
}

/// Why a queue did not take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueError {
    Full,
    /// The worker that reads the queue has ended.
    Ended,
}

impl From<QueueError> for PublishError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Full => Self::Busy,
            QueueError::Ended => Self::NotRunning,
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PublishError::from(*self).fmt(f)
    }
}

impl std::error::Error for QueueError {}

impl LocalBrokerShared {
    pub(crate) fn new(config: Arc<HubConfig>, hasher: NameHasher) -> Self {
        Self {
            config,
            hasher,
            topics: AtomicUsize::new(0),
            history: AtomicUsize::new(0),
            encodings: AtomicUsize::new(0),
            quota: TopicQuota::default(),
            queues: WorkerQueues::new(),
        }
    }

    /// Takes a worker's receiving ends of its queues. Returns `None` if they were taken before.
    pub(crate) fn take_receivers(&self, worker: usize, handle: &Handle) -> Option<WorkerReceivers> {
        self.queues.take(worker, handle, || queues(self.config.sizes.queue))
    }

    /// Sends a request to a worker and wakes it, or returns the request with an error.
    pub(crate) fn try_request(
        &self,
        worker: usize,
        request: Box<OwnerRequest>,
    ) -> Result<(), (QueueError, Box<OwnerRequest>)> {
        let Some(senders) = self.queues.sender(worker) else { return Err((QueueError::Ended, request)) };
        send(&senders.requests, request)?;
        self.wake(worker);
        Ok(())
    }

    /// Sends a delivery to a worker, which the caller still has to [wake](Self::wake), or returns the delivery with an error.
    pub(crate) fn try_deliver(
        &self,
        worker: usize,
        delivery: Delivery,
    ) -> Result<(), (QueueError, Delivery)> {
        let Some(senders) = self.queues.sender(worker) else { return Err((QueueError::Ended, delivery)) };
        send(&senders.deliveries, delivery)
    }

    /// Wakes a worker, so that it reads its queues.
    pub(crate) fn wake(&self, worker: usize) {
        self.queues.wake(worker);
    }

    /// Counts one more topic, for the operator or for a client. Returns `false`, and counts nothing, where the number of topics has reached
    /// its limit.
    pub(crate) fn add_topic(&self, for_operator: bool) -> bool {
        let limit = if for_operator { self.config.max_topics } else { self.client_topic_limit() };
        let add = |topics: usize| (topics < limit).then_some(topics + 1);
        self.topics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Returns the number of topics at which clients can make no more.
    fn client_topic_limit(&self) -> usize {
        self.config.max_topics - self.config.max_topics / OPERATOR_TOPICS_DIVISOR
    }

    /// Returns whether clients can make no more topics, so that topics without subscribers and messages must go.
    pub(crate) fn is_short_of_topics(&self) -> bool {
        self.topics.load(Ordering::Relaxed) >= self.client_topic_limit()
    }

    pub(crate) fn remove_topic(&self) {
        self.topics.fetch_sub(1, Ordering::Relaxed);
    }

    /// Adds bytes of histories. Returns `false`, and adds nothing, where they would exceed the limit.
    pub(crate) fn add_history(&self, bytes: usize) -> bool {
        let limit = self.config.history_limit;
        let add = |sum: usize| sum.checked_add(bytes).filter(|&sum| sum <= limit);
        self.history.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Adds bytes of encodings of messages in histories. They may take a quarter of the limit of histories. Returns `false`, and adds
    /// nothing, where they would exceed it.
    pub(crate) fn add_encodings(&self, bytes: usize) -> bool {
        let limit = self.config.history_limit / HISTORY_ENCODINGS_DIVISOR;
        let add = |sum: usize| sum.checked_add(bytes).filter(|&sum| sum <= limit);
        if self.encodings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
            return false;
        }
        let fits = self.add_history(bytes);
        if !fits {
            self.encodings.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    pub(crate) fn remove_encodings(&self, bytes: usize) {
        self.encodings.fetch_sub(bytes, Ordering::Relaxed);
        self.remove_history(bytes);
    }

    pub(crate) fn remove_history(&self, bytes: usize) {
        self.history.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes of all histories.
    #[cfg(test)]
    pub(crate) fn history(&self) -> usize {
        self.history.load(Ordering::Relaxed)
    }

    /// Writes an owner's decision to the journal.
    #[cfg(feature = "simulation")]
    pub(crate) fn record(&self, entry: impl FnOnce() -> crate::hub::journal::JournalEntry) {
        if let Some(journal) = &self.config.journal {
            journal.record(entry());
        }
    }
}

fn send<T>(queue: &SyncSender<T>, entry: T) -> Result<(), (QueueError, T)> {
    queue.try_send(entry).map_err(|error| match error {
        TrySendError::Full(entry) => (QueueError::Full, entry),
        TrySendError::Disconnected(entry) => (QueueError::Ended, entry),
    })
}

/// Makes the queues of one worker, each with room for `entries`.
fn queues(entries: usize) -> (WorkerSenders, WorkerReceivers) {
    let (requests, requested) = sync_channel(entries);
    let (deliveries, delivered) = sync_channel(entries);
    (WorkerSenders { requests, deliveries }, WorkerReceivers { requests: requested, deliveries: delivered })
}

impl fmt::Debug for LocalBrokerShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBrokerShared").field("topics", &self.topics).finish_non_exhaustive()
    }
}
