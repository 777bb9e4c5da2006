//! Publishing and asking questions from threads other than the workers.

use std::fmt;
use std::sync::Arc;

use super::answer_sender::{AnswerCallback, AnswerSender};
use super::broker::messages::ReplyTo;
use super::hash::owner_of;
use super::in_flight::BROADCASTS;
use super::name::check_topic_name;
use super::outcome::{PublishError, Published};
use super::publication::BroadcastMessage;
use super::publish_batch::PublishBatch;
use super::question::{Question, QuestionQueues, Recipients};
use super::questions::SendBroadcast;
use super::shared::HubShared;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// Publishes to topics and asks the workers questions, from any thread. A clone is cheap. No method blocks: where the hub has no room, the
/// method returns an error.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<HubShared>,
    questions: Arc<QuestionQueues>,
}

impl Publisher {
    pub(super) const fn new(shared: Arc<HubShared>, questions: Arc<QuestionQueues>) -> Self {
        Self { shared, questions }
    }

    /// Publishes a message. The access rules for clients do not apply to it. Messages that one thread publishes to one topic keep their
    /// order.
    ///
    /// # Errors
    /// When the hub did not accept the message: [`PublishError::Name`], [`TooLarge`](PublishError::TooLarge),
    /// [`Busy`](PublishError::Busy) or [`NotRunning`](PublishError::NotRunning). The other errors occur after this method has returned;
    /// [`publish_with_reply`](Self::publish_with_reply) reports them.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> Result<(), PublishError> {
        self.publish_message(topic, message, ReplyTo::Discard)
    }

    /// Publishes a message as [`publish`](Self::publish) does. `reply` receives the message's position in its topic, or the reason why the
    /// message was not published.
    ///
    /// # Errors
    /// When the hub did not accept the message, with the errors of [`publish`](Self::publish). `reply` receives no answer then.
    pub fn publish_with_reply(
        &self,
        topic: &str,
        message: Message<'_>,
        reply: AnswerSender<Published>,
    ) -> Result<(), PublishError> {
        self.publish_message(topic, message, ReplyTo::Thread(reply))
    }

    /// Returns a batch: the messages published with it are sent to subscribers together.
    #[must_use]
    pub fn batch(&self) -> PublishBatch {
        PublishBatch::new(Arc::clone(&self.shared))
    }

    /// Sends a message to all clients. `answers` receives one answer from each worker: the number of open connections of the worker, if it
    /// sends the message to them, or [`PublishError::Busy`]. Returns the number of answers to expect.
    ///
    /// # Errors
    /// When the hub did not accept the message: [`PublishError::TooLarge`], [`Busy`](PublishError::Busy) or
    /// [`NotRunning`](PublishError::NotRunning). `answers` receives nothing then.
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
        let Some(reservation) = in_flight.reserve(None, BROADCASTS, message.payload().len()) else {
            in_flight.count_refusal();
            return Err(PublishError::Busy);
        };
        self.ask(SendBroadcast(BroadcastMessage::new(message, reservation)), answers)
    }

    /// Asks the workers that the question names as its [recipients](Question::recipients). `answers` is called once for each of these
    /// workers, usually on the worker's thread: with the worker's answer, with [`PublishError::Busy`] if the worker's queue of questions is
    /// full, or with [`PublishError::NotRunning`] if the worker ends before it has answered. [`AnswerSender::new`] states the restrictions
    /// on `answers`. Returns the number of answers to expect.
    ///
    /// # Errors
    /// When no worker could be asked: [`PublishError::NotRunning`], or [`PublishError::Name`] for the owner of a topic whose name is not
    /// valid. `answers` receives nothing then.
    pub fn ask<Q: Question>(
        &self,
        question: Q,
        answers: impl Fn(Result<Q::Answer, PublishError>) + Send + Sync + 'static,
    ) -> Result<usize, PublishError> {
        let workers = self.shared.workers().ok_or(PublishError::NotRunning)?;
        let recipients = match question.recipients() {
            Recipients::EveryWorker => 0..workers,
            Recipients::OwnerOf(topic) => {
                check_topic_name(topic)?;
                let owner = owner_of(self.shared.hasher.hash(topic), workers);
                owner..owner + 1
            }
        };
        let answers: AnswerCallback<Q::Answer> = Arc::new(answers);
        for worker in recipients.clone() {
            self.questions.send(worker, question.clone(), &answers);
            self.shared.wake(worker);
        }
        Ok(recipients.len())
    }

    fn publish_message(
        &self,
        topic: &str,
        message: Message<'_>,
        reply_to: ReplyTo,
    ) -> Result<(), PublishError> {
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
