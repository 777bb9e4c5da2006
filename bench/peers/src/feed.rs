use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is published, and who gets it: a queue for each subscriber. Messages are shared, not copied, as far as `M` can.
#[derive(Debug)]
pub struct Feed<M>(Arc<Mutex<Vec<UnboundedSender<M>>>>);

impl<M: Clone> Feed<M> {
    pub fn subscribe(&self) -> UnboundedReceiver<M> {
        let (sender, receiver) = unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Queues for all subscribers, and forgets those that are gone.
    pub fn publish(&self, message: &M) {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.retain(|sender| sender.send(message.clone()).is_ok());
    }
}

impl<M> Default for Feed<M> {
    fn default() -> Self {
        Feed(Arc::default())
    }
}

impl<M> Clone for Feed<M> {
    fn clone(&self) -> Self {
        Feed(Arc::clone(&self.0))
    }
}
