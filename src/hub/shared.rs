//! The state that the hubs of all workers share, and the queues of the operator's messages.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use super::broker::messages::{Publish, ReplyTo};
use super::config::HubConfig;
use super::hash::{NameHasher, owner_of};
use super::in_flight::InFlight;
use super::name::check_topic_name;
use super::outcome::PublishError;
use super::worker_queues::WorkerQueues;
use crate::metrics::HubCounters;
use crate::worker::{Handle, PreparedMessage};

/// The state that the hubs of all workers and the publishers share.
pub(crate) struct HubShared {
    pub(crate) config: Arc<HubConfig>,
    pub(crate) hasher: NameHasher,
    /// The counters of messages under way.
    pub(crate) in_flight: Arc<InFlight>,
    /// Most bytes of a payload. The first worker that starts sets it, before there are queues.
    max_message: OnceLock<usize>,
    queues: WorkerQueues<OperatorSender, OperatorInbox>,
}

/// The sending end of one worker's queue.
struct OperatorSender {
    /// The operator's messages. They have their own queue, so that they do not wait behind clients' requests.
    messages: SyncSender<Box<Publish>>,
    counters: Arc<HubCounters>,
}

/// The receiving end of one worker's queue.
pub(crate) struct OperatorInbox {
    messages: Receiver<Box<Publish>>,
    pub(crate) counters: Arc<HubCounters>,
}

impl HubShared {
    pub(crate) fn new(config: HubConfig) -> Self {
        let sizes = &config.sizes;
        let in_flight = InFlight::new(config.queue_limit, sizes.topic_messages, sizes.client_messages);
        Self {
            hasher: NameHasher::new(config.seed),
            config: Arc::new(config),
            in_flight,
            max_message: OnceLock::new(),
            queues: WorkerQueues::new(),
        }
    }

    /// Takes a worker's receiving end of its queue. Returns `None` if it was taken before.
    pub(crate) fn take_inbox(
        &self,
        worker: usize,
        handle: &Handle,
        max_message: usize,
    ) -> Option<OperatorInbox> {
        self.max_message.get_or_init(|| max_message);
        self.queues.take(worker, handle, || queue(self.config.sizes.queue))
    }

    /// Returns the number of workers; `None` before the first worker has started.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.queues.workers()
    }

    /// Returns the most bytes of a payload that every client's outbox has room for, or `usize::MAX` before the first worker has started.
    pub(crate) fn max_message(&self) -> usize {
        self.max_message.get().copied().unwrap_or(usize::MAX)
    }

    /// Returns whether a payload is longer than [`max_message`](Self::max_message).
    pub(crate) fn is_too_large(&self, payload: &[u8]) -> bool {
        payload.len() > self.max_message()
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = &HubCounters> {
        self.queues.senders().map(|sender| &*sender.counters)
    }

    /// Makes a message to publish, if there is room for it among the messages under way.
    ///
    /// # Errors
    /// [`PublishError::Busy`] if there is no room. The [`ReplyTo`] gets no answer then.
    pub(crate) fn prepare_publish(
        &self,
        topic: &str,
        message: PreparedMessage,
        reply_to: ReplyTo,
    ) -> Result<Publish, PublishError> {
        let hash = self.hasher.hash(topic);
        match self.in_flight.reserve(reply_to.client(), hash, message.payload().len()) {
            Some(reservation) => Ok(Publish { topic: topic.into(), hash, message, reservation, reply_to }),
            None => {
                reply_to.cancel();
                Err(PublishError::Busy)
            }
        }
    }

    /// Sends a message of the operator to the topic's owner. Returns the owner, which the caller still has to [wake](Self::wake).
    ///
    /// # Errors
    /// When the message was not accepted. The [`ReplyTo`] gets no answer then.
    pub(crate) fn publish_for_operator(
        &self,
        topic: &str,
        message: PreparedMessage,
        reply_to: ReplyTo,
    ) -> Result<usize, PublishError> {
        let workers = match self.check(topic, &message) {
            Ok(workers) => workers,
            Err(error) => {
                reply_to.cancel();
                return Err(error);
            }
        };
        let sent = self.prepare_publish(topic, message, reply_to).and_then(|publish| {
            let worker = owner_of(publish.hash, workers);
            let sender = self.queues.sender(worker).ok_or(PublishError::NotRunning)?;
            sender.publish(publish).map(|()| worker)
        });
        if sent == Err(PublishError::Busy) {
            self.in_flight.count_refusal();
        }
        sent
    }

    /// Checks whether a message of the operator can be published now. Returns the number of workers.
    fn check(&self, topic: &str, message: &PreparedMessage) -> Result<usize, PublishError> {
        check_topic_name(topic)?;
        if self.is_too_large(message.payload()) {
            return Err(PublishError::TooLarge);
        }
        self.queues.workers().ok_or(PublishError::NotRunning)
    }

    /// Wakes a worker, so that it reads its queue.
    pub(crate) fn wake(&self, worker: usize) {
        self.queues.wake(worker);
    }
}

/// Makes the queue of one worker.
fn queue(entries: usize) -> (OperatorSender, OperatorInbox) {
    // Twice the limit of a topic's messages under way, so that one topic does not block the others.
    let (sender, receiver) = sync_channel(2 * entries);
    let counters = Arc::<HubCounters>::default();
    let inbox = OperatorInbox { messages: receiver, counters: Arc::clone(&counters) };
    (OperatorSender { messages: sender, counters }, inbox)
}

impl OperatorSender {
    fn publish(&self, publish: Publish) -> Result<(), PublishError> {
        self.messages.try_send(Box::new(publish)).map_err(|error| {
            let (publish, error) = match error {
                TrySendError::Full(publish) => (publish, PublishError::Busy),
                TrySendError::Disconnected(publish) => (publish, PublishError::NotRunning),
            };
            publish.reply_to.cancel();
            error
        })
    }
}

impl OperatorInbox {
    /// Takes the operator's next message out of the queue.
    pub(crate) fn next_message(&self) -> Option<Box<Publish>> {
        self.messages.try_recv().ok()
    }
}

impl fmt::Debug for HubShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubShared").field("workers", &self.workers()).finish_non_exhaustive()
    }
}
