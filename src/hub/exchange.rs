//! The queues between the workers' hubs, and what all of them share.

use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use siphasher::sip::SipHasher13;

use super::config::HubConfig;
use super::founders::Founders;
use super::freight::Ledger;
use super::mail::{Asker, Delivery, Request};
use super::name::check_name;
use super::outcome::PublishError;
use crate::budget::{FORMS_OF_HISTORY, TOPICS_OF_OPERATOR};
use crate::metrics::HubCounters;
use crate::worker::{Handle, PreparedMessage};

/// What is shared by the hubs of all workers, and by those who publish.
pub(crate) struct Exchange {
    pub(crate) config: HubConfig,
    /// Keys of the hash of names, which is not to be foreseen by clients.
    keys: [u64; 2],
    /// The part of all epochs that is this run's.
    pub(crate) run: u32,
    /// Topics of all homes.
    topics: AtomicUsize,
    /// Bytes of all histories, and those of them that are not of messages but of forms made of them.
    history: AtomicUsize,
    forms: AtomicUsize,
    /// Messages under way.
    pub(crate) ledger: Arc<Ledger>,
    /// Who has brought topics into being that may stay.
    pub(crate) founders: Founders,
    /// There once the first worker has started.
    net: OnceLock<Net>,
}

struct Net {
    handle: Handle,
    /// Most bytes of a payload.
    max_message: usize,
    posts: Vec<Post>,
}

/// One worker's queues, as others see them.
struct Post {
    /// What threads with a publisher publish: the operator's, which does not wait behind what clients do.
    published: SyncSender<Box<Request>>,
    requests: SyncSender<Box<Request>>,
    deliveries: SyncSender<Delivery>,
    counters: Arc<HubCounters>,
    /// The worker's ends, until it has taken them.
    ends: Mutex<Option<Ends>>,
}

/// One worker's queues, as it sees them.
pub(crate) struct Ends {
    pub(crate) worker: usize,
    published: Receiver<Box<Request>>,
    requests: Receiver<Box<Request>>,
    deliveries: Receiver<Delivery>,
    pub(crate) counters: Arc<HubCounters>,
}

/// Why something was not put into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unposted {
    Full,
    NotRunning,
}

impl From<Unposted> for PublishError {
    fn from(unposted: Unposted) -> Self {
        match unposted {
            Unposted::Full => Self::Busy,
            Unposted::NotRunning => Self::NotRunning,
        }
    }
}

impl Exchange {
    pub(crate) fn new(config: HubConfig) -> Self {
        let [first, second] = config.seed.unwrap_or_else(random);
        #[expect(clippy::cast_possible_truncation, reason = "as good a half as the other")]
        let run = (first ^ second.rotate_left(17)) as u32;
        let keys = [first, second];
        let sizes = &config.sizes;
        let ledger = Ledger::new(config.queue_limit, sizes.topic_messages, sizes.client_messages);
        Self {
            config,
            keys,
            run,
            topics: AtomicUsize::new(0),
            history: AtomicUsize::new(0),
            forms: AtomicUsize::new(0),
            ledger,
            founders: Founders::default(),
            net: OnceLock::new(),
        }
    }

    /// Takes a worker's ends of its queues; `None` where they have been taken.
    pub(crate) fn take_ends(&self, worker: usize, handle: &Handle, max_message: usize) -> Option<Ends> {
        let net = self.net.get_or_init(|| Net {
            handle: handle.clone(),
            max_message,
            posts: (0..handle.workers()).map(|worker| Post::new(worker, self.config.sizes.queue)).collect(),
        });
        let post = net.posts.get(worker)?;
        post.ends.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many workers there are, once they are there.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.net.get().map(|net| net.posts.len())
    }

    /// Whether a payload is longer than clients' outboxes are sure to have room for.
    pub(crate) fn is_too_large(&self, payload: &[u8]) -> bool {
        self.net.get().is_some_and(|net| payload.len() > net.max_message)
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = &HubCounters> {
        self.net.get().into_iter().flat_map(|net| net.posts.iter().map(|post| &*post.counters))
    }

    pub(crate) fn hash(&self, name: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    /// The worker where the topic with this hash is at home.
    pub(crate) fn home(&self, hash: u64) -> usize {
        let workers = self.workers().unwrap_or(1).max(1);
        usize::try_from(hash >> 32).unwrap_or(0) % workers
    }

    /// Sends a message to its topic's home, which is returned and has still to be [woken](Self::wake).
    pub(crate) fn publish(
        &self,
        topic: &str,
        message: PreparedMessage,
        asker: Asker,
    ) -> Result<usize, Unposted> {
        let refuse = |unposted, asker: Asker| {
            asker.cancel();
            Err(unposted)
        };
        let Some(net) = self.net.get() else { return refuse(Unposted::NotRunning, asker) };
        let hash = self.hash(topic);
        let home = self.home(hash);
        let client = asker.client();
        let Some(freight) = self.ledger.admit(client, hash, message.payload().len()) else {
            return refuse(Unposted::Full, asker);
        };
        let post = &net.posts[home];
        let queue = if client.is_some() { &post.requests } else { &post.published };
        let request = Request::Publish { topic: topic.into(), hash, message, freight, asker };
        match send(queue, Box::new(request)) {
            Ok(()) => Ok(home),
            Err((unposted, request)) => match *request {
                Request::Publish { asker, .. } => refuse(unposted, asker),
                _ => Err(unposted),
            },
        }
    }

    /// Sends a message of the operator's to its topic's home, which is returned and has still to be [woken](Self::wake).
    ///
    /// # Errors
    /// When the message was not taken.
    pub(crate) fn publish_for_operator(
        &self,
        topic: &str,
        message: PreparedMessage,
        asker: Asker,
    ) -> Result<usize, PublishError> {
        let checked = check_name(topic).map_err(PublishError::from);
        let fits = || if self.is_too_large(message.payload()) { Err(PublishError::TooLarge) } else { Ok(()) };
        if let Err(error) = checked.and_then(|()| fits()) {
            asker.cancel();
            return Err(error);
        }
        let published = self.publish(topic, message, asker);
        if published == Err(Unposted::Full) {
            self.ledger.note_refusal();
        }
        Ok(published?)
    }

    /// Sends a request of clients to a worker, or gives it back.
    pub(crate) fn try_post(
        &self,
        worker: usize,
        request: Box<Request>,
    ) -> Result<(), (Unposted, Box<Request>)> {
        let Some(net) = self.net.get() else { return Err((Unposted::NotRunning, request)) };
        send(&net.posts[worker].requests, request)?;
        self.wake(worker);
        Ok(())
    }

    /// Sends a delivery to a worker, which has still to be [woken](Self::wake), or gives it back.
    pub(crate) fn try_deliver(&self, worker: usize, delivery: Delivery) -> Result<(), (Unposted, Delivery)> {
        let Some(net) = self.net.get() else { return Err((Unposted::NotRunning, delivery)) };
        send(&net.posts[worker].deliveries, delivery)
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
    const fn most_of_clients(&self) -> usize {
        self.config.max_topics - self.config.max_topics / TOPICS_OF_OPERATOR
    }

    /// Whether clients get no more topics, so that none must stay that nobody misses.
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

    /// Writes down what a home has decided.
    #[cfg(feature = "simulation")]
    pub(crate) fn note(&self, entry: impl FnOnce() -> super::journal::Entry) {
        if let Some(journal) = &self.config.journal {
            journal.note(entry());
        }
    }

    pub(crate) fn remove_history(&self, bytes: usize) {
        self.history.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of all histories.
    #[cfg(test)]
    pub(crate) fn history(&self) -> usize {
        self.history.load(Ordering::Relaxed)
    }
}

fn send<T>(queue: &SyncSender<T>, entry: T) -> Result<(), (Unposted, T)> {
    queue.try_send(entry).map_err(|error| match error {
        TrySendError::Full(entry) => (Unposted::Full, entry),
        TrySendError::Disconnected(entry) => (Unposted::NotRunning, entry),
    })
}

impl Post {
    fn new(worker: usize, queue: usize) -> Self {
        // Twice what a topic may have under way, so that one does not keep the others out.
        let (published, publishing) = sync_channel(2 * queue);
        let (requests, requested) = sync_channel(queue);
        let (deliveries, delivered) = sync_channel(queue);
        let counters = Arc::<HubCounters>::default();
        let ends = Ends {
            worker,
            published: publishing,
            requests: requested,
            deliveries: delivered,
            counters: Arc::clone(&counters),
        };
        Self { published, requests, deliveries, counters, ends: Mutex::new(Some(ends)) }
    }
}

impl Ends {
    /// Of a worker that nobody sends anything to.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        let post = Post::new(0, 1);
        post.ends.into_inner().ok().flatten().expect("nobody has taken them")
    }

    /// Of the operator's.
    pub(crate) fn next_published(&self) -> Option<Box<Request>> {
        self.published.try_recv().ok()
    }

    /// Of clients'.
    pub(crate) fn next_request(&self) -> Option<Box<Request>> {
        self.requests.try_recv().ok()
    }

    pub(crate) fn next_delivery(&self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

/// Numbers that nobody can foresee, from where the standard library has them for its own tables.
fn random() -> [u64; 2] {
    use std::hash::{BuildHasher, RandomState};
    [0, 1].map(|number: u8| RandomState::new().hash_one(number))
}
