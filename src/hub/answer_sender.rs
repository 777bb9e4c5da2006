//! Where the answer to a question goes.

use std::fmt;
use std::sync::Arc;

use super::outcome::PublishError;

/// Takes the answers to a question, from whichever threads they come.
pub(super) type Sink<A> = Arc<dyn Fn(Result<A, PublishError>) + Send + Sync>;

/// Sends one answer of type `A` to the thread that asked. Dropped without an answer it sends [`PublishError::NotRunning`], so that each
/// question gets exactly one answer from each worker that is asked.
pub struct AnswerSender<A> {
    /// `None` once the answer was given.
    sink: Option<Sink<A>>,
}

impl<A> AnswerSender<A> {
    /// Makes a sender that hands its answer to `sink`.
    ///
    /// `sink` is called on a worker's thread, or on the thread that asks. It must not block. In a server with private descriptor tables it
    /// must not use descriptors that were made after the server had started: [`LoopWaker`](crate::LoopWaker) is what wakes another thread there.
    pub fn new(sink: impl Fn(Result<A, PublishError>) + Send + Sync + 'static) -> Self {
        Self { sink: Some(Arc::new(sink)) }
    }

    pub(super) fn to(sink: &Sink<A>) -> Self {
        Self { sink: Some(Arc::clone(sink)) }
    }

    /// Gives the answer.
    pub fn give(self, answer: A) {
        self.settle(Ok(answer));
    }

    /// Says why there is no answer.
    pub fn refuse(self, error: PublishError) {
        self.settle(Err(error));
    }

    /// Gives an answer, or says why there is none.
    pub fn settle(mut self, outcome: Result<A, PublishError>) {
        if let Some(sink) = self.sink.take() {
            sink(outcome);
        }
    }

    /// Drops the sender without an answer.
    pub(super) fn cancel(mut self) {
        self.sink = None;
    }
}

impl<A> Drop for AnswerSender<A> {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink(Err(PublishError::NotRunning));
        }
    }
}

impl<A> fmt::Debug for AnswerSender<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerSender").field("is_open", &self.sink.is_some()).finish()
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
        sender().give(7);
        sender().refuse(PublishError::Busy);
        drop(sender());
        sender().cancel();
        let expected = [Ok(7), Err(PublishError::Busy), Err(PublishError::NotRunning)];
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), expected);
    }
}
