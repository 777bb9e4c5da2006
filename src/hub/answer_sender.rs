//! The sender of the answer to a question.

use std::fmt;
use std::sync::Arc;

use super::outcome::PublishError;

/// The function that receives all answers to a question. Any thread may call it.
pub(super) type AnswerCallback<A> = Arc<dyn Fn(Result<A, PublishError>) + Send + Sync>;

/// Sends one answer of type `A`, or an error instead, to a callback. A sender that is dropped without an answer sends
/// [`PublishError::NotRunning`], so that each question gets exactly one answer from each worker that is asked.
pub struct AnswerSender<A> {
    /// `None` once the answer has been sent.
    callback: Option<AnswerCallback<A>>,
}

impl<A> AnswerSender<A> {
    /// Makes a sender that passes its answer to `callback`.
    ///
    /// `callback` is called on a worker's thread, or on the thread that asks. It must not block. In a server with private descriptor
    /// tables, it must not use file descriptors that were opened after the server started: use [`LoopWaker`](crate::LoopWaker) to wake
    /// another thread there.
    pub fn new(callback: impl Fn(Result<A, PublishError>) + Send + Sync + 'static) -> Self {
        Self { callback: Some(Arc::new(callback)) }
    }

    pub(super) fn to(callback: &AnswerCallback<A>) -> Self {
        Self { callback: Some(Arc::clone(callback)) }
    }

    /// Sends the answer.
    pub fn send(self, answer: A) {
        self.send_result(Ok(answer));
    }

    /// Sends an error instead of an answer.
    pub fn send_error(self, error: PublishError) {
        self.send_result(Err(error));
    }

    /// Sends an answer or an error.
    pub fn send_result(mut self, outcome: Result<A, PublishError>) {
        if let Some(callback) = self.callback.take() {
            callback(outcome);
        }
    }

    /// Drops the sender without sending an answer.
    pub(super) fn cancel(mut self) {
        self.callback = None;
    }
}

impl<A> Drop for AnswerSender<A> {
    fn drop(&mut self) {
        if let Some(callback) = self.callback.take() {
            callback(Err(PublishError::NotRunning));
        }
    }
}

impl<A> fmt::Debug for AnswerSender<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerSender").field("is_open", &self.callback.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn one_answer_is_sent_whatever_becomes_of_the_sender() {
        let (to, answers) = channel();
        let sender = || {
            let to = to.clone();
            AnswerSender::new(move |answer: Result<u8, _>| to.send(answer).unwrap())
        };
        sender().send(7);
        sender().send_error(PublishError::Busy);
        drop(sender());
        sender().cancel();
        let expected = [Ok(7), Err(PublishError::Busy), Err(PublishError::NotRunning)];
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), expected);
    }
}
