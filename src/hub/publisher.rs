//! What other threads want of the hub: to publish, and to look.

use std::fmt;
use std::sync::Arc;

use super::burst::Burst;
use super::exchange::Exchange;
use super::freight::ANNOUNCEMENTS;
use super::mail::{Asker, Request};
use super::message::Announcement;
use super::name::check_name;
use super::outcome::PublishError;
use super::questions::{Answer, Question, Reply};
use crate::worker::PreparedMessage;
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
        let home = self.exchange.publish_for_operator(topic, PreparedMessage::new(message), asker)?;
        self.exchange.wake(home);
        Ok(())
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
