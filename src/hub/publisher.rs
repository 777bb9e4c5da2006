//! What other threads want of the hub: to publish, and to ask.

use std::fmt;
use std::sync::Arc;

use super::answer_sender::{AnswerSender, Sink};
use super::broker::messages::ReplyTo;
use super::in_flight::BROADCASTS;
use super::name::check_name;
use super::outcome::{PublishError, Published};
use super::publication::Broadcast;
use super::publish_batch::PublishBatch;
use super::question::{Question, QuestionQueues, Recipients};
use super::questions::SendBroadcast;
use super::shared::HubShared;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// Publishes to topics and asks questions, from any thread. Cheap to clone. It never blocks: what the hub cannot take at once is refused.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<HubShared>,
    questions: Arc<QuestionQueues>,
}

impl Publisher {
    pub(super) const fn new(shared: Arc<HubShared>, questions: Arc<QuestionQueues>) -> Self {
        Self { shared, questions }
    }

    /// Publishes a message. The rules for clients do not bind it. Messages of one thread to one topic keep their order.
    ///
    /// # Errors
    /// When the message was not taken. That a topic could not be made for it ([`PublishError::TooManyTopics`]) is known to its owner
    /// alone; [`publish_with_reply`](Self::publish_with_reply) tells.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<(), PublishError> {
        self.post_message(topic, message, ReplyTo::Nobody)
    }

    /// Publishes a message as [`publish`](Self::publish) does. `reply` gets the message's place in its topic, or the reason why the
    /// message was not published.
    ///
    /// # Errors
    /// When the message was not taken; no answer comes then.
    pub fn publish_with_reply(
        &self,
        topic: &str,
        message: Message<'_>,
        reply: AnswerSender<Published>,
    ) -> Result<(), PublishError> {
        self.post_message(topic, message, ReplyTo::Thread(reply))
    }

    /// Publishes several messages that leave together.
    #[must_use]
    pub fn batch(&self) -> PublishBatch {
        PublishBatch::new(Arc::clone(&self.shared))
    }

    /// Sends a message to all clients. `answers` gets the number of open connections of each worker, whose clients get the message, or
    /// [`PublishError::Busy`] from a worker whose clients do not get it. Returns how many answers come.
    ///
    /// # Errors
    /// When the message was not taken; no answer comes then.
    pub fn broadcast(
        &self,
        message: Message<'_>,
        answers: impl Fn(Result<u64, PublishError>) + Send + Sync + 'static,
    ) -> Result<usize, PublishError> {
        if self.shared.is_too_large(message.as_bytes()) {
            return Err(PublishError::TooLarge);
        }
        let message = PreparedMessage::new(message);
        let in_flight = &self.shared.in_flight;
        let Some(reservation) = in_flight.admit(None, BROADCASTS, message.payload().len()) else {
            in_flight.note_refusal();
            return Err(PublishError::Busy);
        };
        self.ask(SendBroadcast(Broadcast::new(message, reservation)), answers)
    }

    /// Asks something of the workers that the question names as its [recipients](Question::recipients). `answers` is called for each of
    /// them once, mostly on its thread: with its answer, with [`PublishError::Busy`] where it has too many questions to answer, or with
    /// [`PublishError::NotRunning`] where it ends before it has answered. What holds for `answers` is said at [`AnswerSender::new`]. Returns how
    /// many answers come.
    ///
    /// # Errors
    /// When nobody could be asked; no answer comes then.
    pub fn ask<Q: Question>(
        &self,
        question: Q,
        answers: impl Fn(Result<Q::Answer, PublishError>) + Send + Sync + 'static,
    ) -> Result<usize, PublishError> {
        let workers = self.shared.workers().ok_or(PublishError::NotRunning)?;
        let recipients = match question.recipients() {
            Recipients::EveryWorker => 0..workers,
            Recipients::OwnerOf(topic) => {
                check_name(topic)?;
                let owner = self.shared.owner(self.shared.hash(topic));
                owner..owner + 1
            }
        };
        let answers: Sink<Q::Answer> = Arc::new(answers);
        for worker in recipients.clone() {
            self.questions.put(worker, question.clone(), &answers);
            self.shared.wake(worker);
        }
        Ok(recipients.len())
    }

    fn post_message(&self, topic: &str, message: Message<'_>, reply_to: ReplyTo) -> Result<(), PublishError> {
        let worker = self.shared.publish_for_operator(topic, PreparedMessage::new(message), reply_to)?;
        self.shared.wake(worker);
        Ok(())
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
