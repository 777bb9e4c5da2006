//! Messages that are published together.

use std::fmt;
use std::sync::Arc;

use super::answer_sender::AnswerSender;
use super::broker::messages::ReplyTo;
use super::outcome::{PublishError, Published};
use super::shared::HubShared;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// Publishes several messages. The workers are woken when it is dropped, so that they find all messages at once and those of one topic
/// leave together. From [`Publisher::batch`](super::Publisher::batch).
pub struct PublishBatch {
    shared: Arc<HubShared>,
    /// Workers that have something to do.
    workers: Vec<usize>,
}

impl PublishBatch {
    pub(super) const fn new(shared: Arc<HubShared>) -> Self {
        Self { shared, workers: Vec::new() }
    }

    /// Publishes a message, as [`Publisher::publish`](super::Publisher::publish) does. `reply` is told what
    /// becomes of it.
    ///
    /// # Errors
    /// When the message was not taken; no answer comes then.
    pub fn publish(
        &mut self,
        topic: &str,
        message: Message<'_>,
        reply: Option<AnswerSender<Published>>,
    ) -> Result<(), PublishError> {
        self.publish_prepared(topic, &PreparedMessage::new(message), reply)
    }

    /// Publishes a prepared message. All topics that it is published to share its bytes.
    ///
    /// # Errors
    /// When the message was not taken; no answer comes then.
    pub fn publish_prepared(
        &mut self,
        topic: &str,
        message: &PreparedMessage,
        reply: Option<AnswerSender<Published>>,
    ) -> Result<(), PublishError> {
        let reply_to = reply.map_or(ReplyTo::Nobody, ReplyTo::Thread);
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
        f.debug_struct("Burst").field("workers", &self.workers).finish_non_exhaustive()
    }
}
