//! What other threads want of the hub: to publish, and to look.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::burst::Burst;
use super::exchange::{Exchange, Unposted};
use super::freight::ANNOUNCEMENTS;
use super::mail::{Asker, Request};
use super::message::Announcement;
use super::name::check_name;
use super::outcome::{PublishError, Published, TopicInfo};
use crate::worker::{ConnId, PreparedMessage};
use crate::ws::Message;

/// Publishes to topics from any thread. Cheap to clone. It never blocks: what the hub cannot take at once is refused.
#[derive(Clone)]
pub struct Publisher {
    exchange: Arc<Exchange>,
}

impl Publisher {
    pub(super) const fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }

    /// Publishes a message. The rules for clients do not bind it. Messages of one thread to one topic keep their order.
    ///
    /// # Errors
    /// When the message was not taken. That a topic could not be made for it ([`PublishError::TooManyTopics`]) is known to its owner
    /// alone; [`ask`](Self::ask) tells.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<(), PublishError> {
        self.post_message(topic, message, Asker::Nobody)
    }

    /// Publishes several messages that leave together.
    #[must_use]
    pub fn burst(&self) -> Burst {
        Burst::new(Arc::clone(&self.exchange))
    }

    /// Asks something; the answers come through `reply`, from the workers' threads. How many will come is returned. A worker that ends
    /// before it has come to the question answers with [`PublishError::NotRunning`].
    ///
    /// # Errors
    /// When the question was not taken; no answer comes then.
    pub fn ask(&self, question: Question<'_>, reply: Reply) -> Result<usize, PublishError> {
        match question {
            Question::Publish { topic, message } => {
                self.post_message(topic, message, Asker::Thread(reply)).map(|()| 1)
            }
            Question::Topic(topic) => {
                check_name(topic)?;
                let hash = self.exchange.hash(topic);
                self.exchange
                    .ask(self.exchange.home(hash), Request::Look { topic: topic.into(), hash, reply })?;
                Ok(1)
            }
            Question::Topics { prefix, limit } => {
                self.ask_all(&reply, || Request::List { prefix: prefix.into(), limit, reply: reply.clone() })
            }
            Question::Slowest { limit } => {
                self.ask_all(&reply, || Request::Slowest { limit, reply: reply.clone() })
            }
            Question::Broadcast(message) if self.exchange.is_too_large(message.as_bytes()) => {
                Err(PublishError::TooLarge)
            }
            Question::Broadcast(message) => {
                let message = PreparedMessage::new(message);
                let ledger = &self.exchange.ledger;
                let Some(freight) = ledger.admit(None, ANNOUNCEMENTS, message.payload().len()) else {
                    ledger.note_refusal();
                    return Err(PublishError::Busy);
                };
                let announcement = Announcement::new(message, freight);
                self.ask_all(&reply, || Request::Announce {
                    announcement: Arc::clone(&announcement),
                    reply: reply.clone(),
                })
            }
        }
    }

    /// Asks every worker. One that cannot take it is answered for.
    fn ask_all(&self, reply: &Reply, make: impl Fn() -> Request) -> Result<usize, PublishError> {
        let workers = self.exchange.workers().ok_or(PublishError::NotRunning)?;
        for worker in 0..workers {
            if let Err(unposted) = self.exchange.ask(worker, make()) {
                reply.give(Answer::Refused(unposted.into()));
            }
        }
        Ok(workers)
    }

    fn post_message(&self, topic: &str, message: Message<'_>, asker: Asker) -> Result<(), PublishError> {
        let home = post_quietly(&self.exchange, topic, PreparedMessage::new(message), asker)?;
        self.exchange.wake(home);
        Ok(())
    }
}

/// Sends a message to its topic's home, which is returned and has still to be woken.
pub(super) fn post_quietly(
    exchange: &Exchange,
    topic: &str,
    message: PreparedMessage,
    asker: Asker,
) -> Result<usize, PublishError> {
    check_name(topic)?;
    if exchange.is_too_large(message.payload()) {
        return Err(PublishError::TooLarge);
    }
    let published = exchange.publish(topic, message, asker);
    if published == Err(Unposted::Full) {
        exchange.ledger.note_refusal();
    }
    Ok(published?)
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// Something to [`ask`](Publisher::ask).
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// Publish this, and tell its place: one [`Answer::Published`] or [`Answer::Refused`].
    Publish {
        /// The topic.
        topic: &'a str,
        /// The message.
        message: Message<'a>,
    },
    /// What is there of this topic: one [`Answer::Topic`].
    Topic(&'a str),
    /// The topics whose names begin so: an [`Answer::Topics`] by each worker, each with at most `limit`, in the order of
    /// their names.
    Topics {
        /// How the names begin.
        prefix: &'a str,
        /// Most topics of each worker.
        limit: usize,
    },
    /// The clients for which most bytes wait: an [`Answer::Slowest`] by each worker, each with at most `limit`.
    Slowest {
        /// Most clients of each worker.
        limit: usize,
    },
    /// Send this to all clients: an [`Answer::Broadcast`] by each worker.
    Broadcast(Message<'a>),
}

/// What comes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The message has its place, and is under way to its subscribers.
    Published(Published),
    /// What there is of the topic, if it exists.
    Topic(Option<TopicInfo>),
    /// Topics of one worker.
    Topics(Vec<TopicInfo>),
    /// Clients of one worker, with the bytes that wait for each and what keeping them costs, most first.
    Slowest(Vec<(ConnId, usize)>),
    /// How many clients of one worker the message is under way to.
    Broadcast {
        /// Connections.
        connections: u64,
    },
    /// The message was not published, or a worker could not take the question.
    Refused(PublishError),
}

/// Where the answers to a question go: each is sent with the question's token, and then the bell is rung.
///
/// The bell is called on a worker's thread. In a server with private descriptor tables it must not use descriptors that were made
/// after the server had started.
#[derive(Clone)]
pub struct Reply {
    to: Sender<(u64, Answer)>,
    token: u64,
    bell: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Reply {
    /// Answers go to `to` with `token`; `bell` is called after each.
    #[must_use]
    pub fn new(to: Sender<(u64, Answer)>, token: u64, bell: Option<Arc<dyn Fn() + Send + Sync>>) -> Self {
        Self { to, token, bell }
    }

    pub(super) fn give(&self, answer: Answer) {
        // Whoever asked may have stopped waiting.
        if self.to.send((self.token, answer)).is_ok()
            && let Some(bell) = &self.bell
        {
            bell();
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("token", &self.token).finish_non_exhaustive()
    }
}
