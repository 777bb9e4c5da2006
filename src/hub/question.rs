//! The seam for questions: a type that is asked, the type of its answer, and the way to the workers.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::answer_sender::{AnswerSender, Sink};
use super::hub_view::HubView;
use super::outcome::PublishError;

/// Something that another thread asks of the hub's workers with [`Publisher::ask`](super::Publisher::ask).
///
/// Each worker that is asked gets a copy of the question, in its own thread, and answers it once.
pub trait Question: Clone + Send + 'static {
    /// What one worker answers.
    type Answer: Send + 'static;

    /// Which workers are asked.
    fn recipients(&self) -> Recipients<'_> {
        Recipients::EveryWorker
    }

    /// Answers on a worker's thread. Other connections wait meanwhile: what takes long must be done in parts.
    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>);
}

/// The workers to which a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipients<'a> {
    /// The worker that owns the topic with this name: it gives the topic's messages their offsets.
    OwnerOf(&'a str),
    /// Each worker.
    EveryWorker,
}

/// A question in a worker's queue, with any type of answer.
pub(super) trait Queued: Send {
    /// Answers it.
    fn answer(self: Box<Self>, worker: &mut HubView<'_, '_>);
    /// Says why it is not answered.
    fn refuse(self: Box<Self>, error: PublishError);
}

/// A question, and where its answer goes.
struct Asked<Q: Question> {
    question: Q,
    reply: AnswerSender<Q::Answer>,
}

impl<Q: Question> Queued for Asked<Q> {
    fn answer(self: Box<Self>, worker: &mut HubView<'_, '_>) {
        self.question.answer(worker, self.reply);
    }

    fn refuse(self: Box<Self>, error: PublishError) {
        self.reply.refuse(error);
    }
}

/// The questions that one worker has not answered.
pub(super) type Questions = Receiver<Box<dyn Queued>>;

/// The queues of questions, one for each worker. They exist once the first worker has started.
#[derive(Default)]
pub(crate) struct QuestionQueues {
    queues: OnceLock<Vec<Queue>>,
}

/// One worker's queue.
struct Queue {
    sender: SyncSender<Box<dyn Queued>>,
    /// The worker's end, until it has taken it.
    receiver: Mutex<Option<Questions>>,
}

impl QuestionQueues {
    /// Takes a worker's end of its queue, which has room for `room` questions; `None` where that was taken before.
    pub(super) fn take(&self, worker: usize, workers: usize, room: usize) -> Option<Questions> {
        let queues = self.queues.get_or_init(|| (0..workers).map(|_| Queue::new(room)).collect());
        queues.get(worker)?.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a question to a worker, which has still to be woken. A worker that cannot take it is answered for.
    pub(super) fn put<Q: Question>(&self, worker: usize, question: Q, answers: &Sink<Q::Answer>) {
        let asked = Box::new(Asked { question, reply: AnswerSender::to(answers) });
        let Some(queue) = self.queues.get().and_then(|queues| queues.get(worker)) else { return };
        match queue.sender.try_send(asked) {
            Ok(()) => {}
            Err(TrySendError::Full(asked)) => asked.refuse(PublishError::Busy),
            Err(TrySendError::Disconnected(asked)) => asked.refuse(PublishError::NotRunning),
        }
    }
}

impl Queue {
    fn new(room: usize) -> Self {
        let (sender, receiver) = sync_channel(room);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl fmt::Debug for QuestionQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.queues.get().map(Vec::len);
        f.debug_struct("QuestionQueues").field("workers", &workers).finish_non_exhaustive()
    }
}
