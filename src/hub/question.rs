//! The interface for questions: the trait of a question, the type of its answer, and the queues to the workers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::answer_sender::{AnswerCallback, AnswerSender};
use super::hub_view::HubView;
use super::outcome::PublishError;
use super::worker_queues::WorkerQueues;
use crate::worker::Handle;

/// A question that another thread asks the hub's workers with [`Publisher::ask`](super::Publisher::ask).
///
/// Each worker that is asked gets a copy of the question and answers it once, on its own thread.
pub trait Question: Clone + Send + 'static {
    /// The answer of one worker.
    type Answer: Send + 'static;

    /// Returns which workers are asked.
    fn recipients(&self) -> Recipients<'_> {
        Recipients::EveryWorker
    }

    /// Answers the question on a worker's thread. The worker's connections wait meanwhile, so that long work must be split into parts.
    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>);
}

/// The workers that a question is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipients<'a> {
    /// The worker that owns the topic with this name and assigns the offsets of its messages.
    OwnerOf(&'a str),
    /// All workers.
    EveryWorker,
}

/// A question in a worker's queue, with any type of answer.
pub(super) trait AnyQuestion: Send {
    /// Answers the question.
    fn answer(self: Box<Self>, worker: &mut HubView<'_, '_>);
    /// Reports why the question is not answered.
    fn refuse(self: Box<Self>, error: PublishError);
}

/// A question with the sender of its answer.
struct QueuedQuestion<Q: Question> {
    question: Q,
    reply: AnswerSender<Q::Answer>,
}

impl<Q: Question> AnyQuestion for QueuedQuestion<Q> {
    fn answer(self: Box<Self>, worker: &mut HubView<'_, '_>) {
        self.question.answer(worker, self.reply);
    }

    fn refuse(self: Box<Self>, error: PublishError) {
        self.reply.send_error(error);
    }
}

/// A worker's queue of unanswered questions: the receiving end.
pub(super) type QuestionReceiver = Receiver<Box<dyn AnyQuestion>>;

/// The queues of questions, one for each worker.
pub(crate) struct QuestionQueues {
    queues: WorkerQueues<SyncSender<Box<dyn AnyQuestion>>, QuestionReceiver>,
    /// Questions that were refused because a queue was full.
    refused: AtomicU64,
}

impl QuestionQueues {
    pub(super) const fn new() -> Self {
        Self { queues: WorkerQueues::new(), refused: AtomicU64::new(0) }
    }

    /// Takes a worker's receiving end of its queue, which has room for `room` questions. Returns `None` if the end was taken before.
    pub(super) fn take(&self, worker: usize, handle: &Handle, room: usize) -> Option<QuestionReceiver> {
        self.queues.take(worker, handle, || sync_channel(room))
    }

    /// Sends a question to a worker, which the caller still has to wake. Answers with an error where the worker's queue is full or the
    /// worker has ended.
    pub(super) fn send<Q: Question>(&self, worker: usize, question: Q, answers: &AnswerCallback<Q::Answer>) {
        let queued = Box::new(QueuedQuestion { question, reply: AnswerSender::to(answers) });
        let Some(sender) = self.queues.sender(worker) else { return };
        match sender.try_send(queued) {
            Ok(()) => {}
            Err(TrySendError::Full(queued)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                queued.refuse(PublishError::Busy);
            }
            Err(TrySendError::Disconnected(queued)) => queued.refuse(PublishError::NotRunning),
        }
    }

    /// Returns how many questions were refused because a worker's queue was full.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for QuestionQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionQueues").field("workers", &self.queues.workers()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use super::super::questions::DescribeTopic;
    use super::*;
    use crate::worker::Shared;

    #[test]
    fn a_question_to_a_full_queue_or_a_worker_that_has_ended_is_answered_at_once() {
        let (shared, _inboxes) = Shared::new(vec![Box::new(AtomicUsize::default())], usize::MAX);
        let handle = Handle { shared: Arc::new(shared) };
        let queues = QuestionQueues::new();
        let receiver = queues.take(0, &handle, 2).unwrap();
        let (sender, answers) = channel();
        let callback: AnswerCallback<_> = Arc::new(move |answer| sender.send(answer).unwrap());
        let ask = || queues.send(0, DescribeTopic("a".into()), &callback);
        (0..3).for_each(|_| ask());
        assert_eq!((answers.try_recv(), queues.refused()), (Ok(Err(PublishError::Busy)), 1));
        assert!(answers.try_recv().is_err(), "two questions wait");
        receiver.recv().unwrap().refuse(PublishError::NotRunning);
        assert_eq!(answers.try_recv(), Ok(Err(PublishError::NotRunning)));
        ask();
        drop(receiver);
        ask();
        let rest: Vec<_> = answers.try_iter().collect();
        assert_eq!(rest, vec![Err(PublishError::NotRunning); 3]);
        assert_eq!(queues.refused(), 1);
    }
}
