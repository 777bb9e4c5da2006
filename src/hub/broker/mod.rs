//! Where offsets and history come from.
//!
//! Each worker's hub has one end of a broker: a [`Broker`]. It asks with calls that return at once. The answers, and the messages of the
//! topics to which the worker has subscribed, come as [`Delivery`]s, in the same turn or in any later one, so that a broker may ask another
//! machine before it answers.
//!
//! - `messages`: what is asked and what is delivered.
//! - `local`: the broker of one machine. Each topic has an owner: the worker that the hash of its name says.
//! - `owner`, `owned_topic`, `history`: the topics of one owner. `owner_listing`, `listing`: how they are listed. `expiry`, `sweep`: how
//!   they are freed. `topic_quota`: how many a client may create.
//! - `peers`, `shared`: the queues between the workers' ends, and what all of them share.

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
use super::name::Name;
use super::outcome::{PublishError, TopicInfo};
use crate::worker::Turn;
pub(crate) use history::ITEM_COST;
use messages::{Delivery, Publish, Subscribe};

/// Bytes of a topic at its owner.
pub(crate) const TOPIC_SIZE: usize = size_of::<owned_topic::OwnedTopic>();

/// One worker's end of a broker.
///
/// The deliveries of one topic to one worker keep their order: each publication has the offset behind the one before it, and the answer to
/// [`subscribe`](Self::subscribe) stands between the publications before its position and those behind it.
pub(crate) trait Broker {
    /// The part of every epoch that this broker gives to all its topics.
    fn run(&self) -> u32;

    /// Publishes a message of a client. A [`Delivery::Published`] on the client's worker tells what became of it. The message is
    /// delivered to every worker that has subscribed to the topic.
    ///
    /// # Errors
    /// When a queue is full or the broker has ended. No answer is delivered then.
    fn try_publish(&mut self, publish: Publish) -> Result<(), PublishError>;

    /// Publishes a message of the operator, which has already waited for its turn. Its [`ReplyTo`](messages::ReplyTo) is answered.
    fn publish(&mut self, publish: Publish, now: Duration);

    /// Subscribes this worker to a topic for one of its clients. With [`since`](Subscribe::since), the answer has what the client has
    /// missed, or the first part of that. One [`Delivery::Subscribed`] answers each call. From a successful answer on, until
    /// [`unsubscribe`](Self::unsubscribe), all publications of the topic are delivered to this worker.
    fn subscribe(&mut self, subscribe: Subscribe);

    /// Tells how many subscribers of a topic this worker has.
    fn set_subscribers(&mut self, topic: Name, hash: u64, count: u32);

    /// Ends the subscription of this worker to a topic: no subscription of a client is left here, and none has been asked for.
    fn unsubscribe(&mut self, topic: Name, hash: u64);

    /// What this end knows of a topic without asking.
    fn topic(&self, name: &str) -> Option<TopicInfo>;

    /// Answers with what there is of a topic.
    fn describe(&mut self, name: &str, reply: AnswerSender<Option<TopicInfo>>);

    /// Answers with at most `limit` of this worker's share of all topics whose names begin with `prefix`.
    fn list(&mut self, prefix: Box<str>, limit: usize, reply: AnswerSender<Vec<TopicInfo>>);

    /// Calls that have not left this worker yet, because queues are full. Clients are refused while there are many.
    fn unsent_requests(&self) -> usize;

    /// Whether answers pile up. The operator's requests wait while this is [`Congestion::Full`].
    fn congestion(&self) -> Congestion;

    /// Begins a turn of the worker, whose connections may each have `outbox_limit` bytes wait.
    fn begin_turn(&mut self, outbox_limit: usize);

    /// Does what other workers have asked of this end, as much as a turn allows. `true` where more is left.
    fn serve(&mut self, now: Duration) -> bool;

    /// Sends off what this turn has brought about. Other workers are woken once for all of it.
    fn flush(&mut self);

    /// Takes the next delivery out.
    fn next_delivery(&mut self) -> Option<Delivery>;

    /// Does the upkeep that is due, and says when the next turn is needed.
    fn end_turn(&mut self, now: Duration) -> Turn;
}

/// How much of what a broker has to deliver waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Congestion {
    None,
    Some,
    Full,
}

/// What a worker's end holds, for tests and the simulation.
#[cfg(any(test, feature = "simulation"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BrokerInventory {
    /// Topics that this worker owns, and those of them with a history.
    pub(crate) topics: usize,
    pub(crate) keeping: usize,
    /// Clients that were the first to publish to topics which stay, anywhere.
    pub(crate) creators: usize,
    /// Requests and deliveries for which a queue had no room, or that the worker has sent to itself and not taken.
    pub(crate) held: usize,
}
