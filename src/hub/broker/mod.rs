//! Brokers: the source of offsets and histories.
//!
//! Each worker's hub has one end of a broker: a [`Broker`]. The hub calls it with methods that return at once. The answers, and the
//! messages of the topics to which the worker has subscribed, arrive as [`Delivery`]s, in the same turn or in a later one, so that a broker
//! may ask another machine before it answers.
//!
//! - `messages`: requests and deliveries.
//! - `local`: the broker of one machine. Each topic has an owner: the worker that the hash of its name selects.
//! - `owner`, `owned_topic`, `history`: the topics of one owner. `owner_listing`, `listing`: lists of them. `expiry`, `sweep`: their
//!   removal. `topic_quota`: limits of the topics that a client creates.
//! - `peers`, `shared`: the queues between the workers' ends, and the state that all ends share.

pub(crate) mod local;
pub(crate) mod messages;
pub(crate) mod shared;

mod expiry;
mod history;
mod listing;
mod owned_topic;
mod owner;
mod owner_listing;
mod peers;
mod sweep;
mod topic_quota;

use std::time::Duration;

use super::answer_sender::AnswerSender;
use super::name::TopicName;
use super::outcome::{PublishError, TopicInfo};
use crate::worker::Turn;
pub(crate) use history::STORED_MESSAGE_COST;
use messages::{Delivery, Publish, Subscribe};

/// Bytes of a topic at its owner, without its name.
pub(crate) const TOPIC_SIZE: usize = size_of::<owned_topic::OwnedTopic>();

/// One worker's end of a broker.
///
/// The deliveries of one topic to one worker keep their order: each publication has the offset after that of the previous one, and the
/// answer to [`subscribe`](Self::subscribe) comes after the publications up to its position and before the later ones.
pub(crate) trait Broker {
    /// Returns the run number, which all epochs of this broker's topics share.
    fn run(&self) -> u32;

    /// Publishes a message of a client. A [`Delivery::Published`] to the client's worker reports the result. The broker delivers the
    /// message to every worker that has subscribed to the topic.
    ///
    /// # Errors
    /// When a queue is full or the broker has ended. No answer is delivered then.
    fn try_publish(&mut self, publish: Publish) -> Result<(), PublishError>;

    /// Publishes a message of the operator that this worker has taken out of its queue. Sends the result to its
    /// [`ReplyTo`](messages::ReplyTo).
    fn publish(&mut self, publish: Publish, now: Duration);

    /// Subscribes this worker to a topic for one of its clients. With [`since`](Subscribe::since), the answer contains the messages that
    /// the client has missed, or the first part of them. One [`Delivery::Subscribed`] answers each call. From a successful answer until
    /// [`unsubscribe`](Self::unsubscribe), the broker delivers all publications of the topic to this worker.
    fn subscribe(&mut self, subscribe: Subscribe);

    /// Reports this worker's number of subscribers of a topic.
    fn set_subscribers(&mut self, topic: TopicName, hash: u64, count: u32);

    /// Unsubscribes this worker from a topic of which it has neither subscriptions nor pending subscriptions.
    fn unsubscribe(&mut self, topic: TopicName, hash: u64);

    /// Returns the state of a topic that this end owns, without asking other ends.
    fn topic(&self, name: &str) -> Option<TopicInfo>;

    /// Answers with the state of a topic.
    fn describe(&mut self, name: &str, reply: AnswerSender<Option<TopicInfo>>);

    /// Answers with the topics of this worker's share whose names begin with `prefix`, at most `limit` of them.
    fn list(&mut self, prefix: Box<str>, limit: usize, reply: AnswerSender<Vec<TopicInfo>>);

    /// Returns the number of requests that are unsent because queues are full. Clients are refused while there are many.
    fn unsent_requests(&self) -> usize;

    /// Returns how many deliveries are unsent because queues are full. The operator's requests wait while this is [`Congestion::Full`].
    fn congestion(&self) -> Congestion;

    /// Begins a turn of the worker, whose outboxes have a limit of `outbox_limit` bytes.
    fn begin_turn(&mut self, outbox_limit: usize);

    /// Serves the requests of other workers, as many as a turn allows. Returns `true` where there are more.
    fn serve(&mut self, now: Duration) -> bool;

    /// Sends the deliveries of this turn. Wakes each of the workers that get some once.
    fn flush(&mut self);

    /// Takes the next delivery to this worker.
    fn next_delivery(&mut self) -> Option<Delivery>;

    /// Does the upkeep that is due. Returns when the next turn is needed.
    fn end_turn(&mut self, now: Duration) -> Turn;
}

/// How many of a broker's deliveries are unsent because queues are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Congestion {
    /// None.
    Clear,
    /// Fewer than a queue has room for.
    Partial,
    /// At least as many as a queue has room for.
    Full,
}

/// The contents of a worker's end, for tests and the simulation.
#[cfg(any(test, feature = "simulation"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BrokerInventory {
    /// Topics that this worker owns, and those of them in the list of topics that stay without subscribers.
    pub(crate) topics: usize,
    pub(crate) swept_topics: usize,
    /// Clients of all workers that were the first to publish to topics with a history.
    pub(crate) creators: usize,
    /// Requests and deliveries that wait in this worker's queue to itself, plus 1 if any to other workers are unsent.
    pub(crate) unsent: usize,
}
