//! Messages that are published together.

use std::fmt;
use std::sync::Arc;

use super::exchange::Exchange;
use super::mail::Asker;
use super::outcome::PublishError;
use super::outcome::Published;
use super::reply::Reply;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// Publishes several messages, of which the workers are told when it is dropped: so they find all of them at once, and those of one
/// topic leave together. From [`Publisher::burst`](super::Publisher::burst).
pub struct Burst {
    exchange: Arc<Exchange>,
    /// Workers that have something to do.
    homes: Vec<usize>,
}

impl Burst {
    pub(super) const fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, homes: Vec::new() }
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
        reply: Option<Reply<Published>>,
    ) -> Result<(), PublishError> {
        self.publish_prepared(topic, &PreparedMessage::new(message), reply)
    }

    /// The same with a message that has been prepared, whose bytes are shared by all topics that it is published to.
    ///
    /// # Errors
    /// When the message was not taken; no answer comes then.
    pub fn publish_prepared(
        &mut self,
        topic: &str,
        message: &PreparedMessage,
        reply: Option<Reply<Published>>,
    ) -> Result<(), PublishError> {
        let asker = reply.map_or(Asker::Nobody, Asker::Thread);
        let home = self.exchange.publish_for_operator(topic, message.clone(), asker)?;
        if !self.homes.contains(&home) {
            self.homes.push(home);
        }
        Ok(())
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.homes.iter().for_each(|&home| self.exchange.wake(home));
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Burst").field("homes", &self.homes).finish_non_exhaustive()
    }
}
