//! The interface for questions: the trait of a question, the type of its answer, and the queues to the workers.

use std::fmt;
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
pub(crate) struct QuestionQueues(WorkerQueues<SyncSender<Box<dyn AnyQuestion>>, QuestionReceiver>);

impl QuestionQueues {
    pub(super) const fn new() -> Self {
        Self(WorkerQueues::new())
    }

    /// Takes a worker's receiving end of its queue, which has room for `room` questions. Returns `None` if the end was taken before.
    pub(super) fn take(&self, worker: usize, handle: &Handle, room: usize) -> Option<QuestionReceiver> {
        self.0.take(worker, handle, || sync_channel(room))
    }

    /// Sends a question to a worker, which the caller still has to wake. Answers with an error where the worker's queue is full or the
    /// worker has ended.
    pub(super) fn send<Q: Question>(&self, worker: usize, question: Q, answers: &AnswerCallback<Q::Answer>) {
        let queued = Box::new(QueuedQuestion { question, reply: AnswerSender::to(answers) });
        let Some(sender) = self.0.sender(worker) else { return };
        match sender.try_send(queued) {
            Ok(()) => {}
            Err(TrySendError::Full(queued)) => queued.refuse(PublishError::Busy),
            Err(TrySendError::Disconnected(queued)) => queued.refuse(PublishError::NotRunning),
        }
    }
}

impl fmt::Debug for QuestionQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionQueues").field("workers", &self.0.workers()).finish_non_exhaustive()
    }
}
