//! The queues of all workers: each has a sending end, which any thread may use, and a receiving end, which the worker takes.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::worker::Handle;

/// A queue, or several, for each worker of a server: `S` is the sending end, `R` the receiving end. There are none before the first worker
/// has started.
pub(crate) struct WorkerQueues<S, R>(OnceLock<Queues<S, R>>);

struct Queues<S, R> {
    handle: Handle,
    workers: Vec<WorkerQueue<S, R>>,
}

struct WorkerQueue<S, R> {
    sender: S,
    /// `None` once the worker has taken it.
    receiver: Mutex<Option<R>>,
}

impl<S, R> WorkerQueues<S, R> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Takes a worker's receiving end. Returns `None` if it was taken before. The first call makes the queues of all workers with `make`.
    pub(crate) fn take(&self, worker: usize, handle: &Handle, make: impl Fn() -> (S, R)) -> Option<R> {
        let queues = self.0.get_or_init(|| {
            let make = || {
                let (sender, receiver) = make();
                WorkerQueue { sender, receiver: Mutex::new(Some(receiver)) }
            };
            Queues { handle: handle.clone(), workers: (0..handle.workers()).map(|_| make()).collect() }
        });
        let queue = queues.workers.get(worker)?;
        queue.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the number of workers; `None` before the first worker has started.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.0.get().map(|queues| queues.workers.len())
    }

    /// Returns the sending end of a worker's queue; `None` before the first worker has started.
    pub(crate) fn sender(&self, worker: usize) -> Option<&S> {
        self.0.get().and_then(|queues| queues.workers.get(worker)).map(|queue| &queue.sender)
    }

    /// Returns the sending ends of all workers' queues; none before the first worker has started.
    pub(crate) fn senders(&self) -> impl Iterator<Item = &S> {
        self.0.get().into_iter().flat_map(|queues| queues.workers.iter().map(|queue| &queue.sender))
    }

    /// Wakes a worker, so that it reads its queue.
    pub(crate) fn wake(&self, worker: usize) {
        if let Some(queues) = self.0.get() {
            // A worker that has ended needs no waking.
            let _ = queues.handle.wake(worker);
        }
    }
}
