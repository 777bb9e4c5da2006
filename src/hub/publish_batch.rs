//! Publishing several messages together.

use std::fmt;
use std::sync::Arc;

use super::answer_sender::AnswerSender;
use super::broker::messages::ReplyTo;
use super::outcome::{PublishError, Published};
use super::shared::HubShared;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// Publishes several messages. Dropping the batch wakes the workers, so that they find all messages at once, and the messages of one topic
/// are delivered together. [`Publisher::batch`](super::Publisher::batch) makes a batch.
pub struct PublishBatch {
    shared: Arc<HubShared>,
    /// Workers to wake.
    workers: Vec<usize>,
}

impl PublishBatch {
    pub(super) const fn new(shared: Arc<HubShared>) -> Self {
        Self { shared, workers: Vec::new() }
    }

    /// Publishes a message as [`Publisher::publish`](super::Publisher::publish) does. `reply` receives the result.
    ///
    /// # Errors
    /// When the hub did not accept the message, with the errors of [`Publisher::publish`](super::Publisher::publish). `reply` receives no
    /// answer then.
    pub fn publish(
        &mut self,
        topic: &str,
        message: Message<'_>,
        reply: Option<AnswerSender<Published>>,
    ) -> Result<(), PublishError> {
        self.publish_prepared(topic, &PreparedMessage::new(message), reply)
    }

    /// Publishes a prepared message. All topics to which it is published share its bytes.
    ///
    /// # Errors
    /// When the hub did not accept the message, with the errors of [`Publisher::publish`](super::Publisher::publish). `reply` receives no
    /// answer then.
    pub fn publish_prepared(
        &mut self,
        topic: &str,
        message: &PreparedMessage,
        reply: Option<AnswerSender<Published>>,
    ) -> Result<(), PublishError> {
        let reply_to = reply.map_or(ReplyTo::Discard, ReplyTo::Thread);
        let worker = self.shared.publish_for_operator(topic, message.clone(), reply_to)?;
        if !self.workers.contains(&worker) {
            self.workers.push(worker);
        }
        Ok(())
    }
}

impl Drop for PublishBatch {
    fn drop(&mut self) {
        self.workers.iter().for_each(|&worker| self.shared.wake(worker));
    }
}

impl fmt::Debug for PublishBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBatch").field("workers", &self.workers).finish_non_exhaustive()
    }
}
