//! Decisions that are made later, on any thread, and the worker's queue of their results.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::base::notifier::{Notifier, Wake};
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::metrics::Counters;
use crate::worker::table::{ConnId, ConnIndex};

/// The value that a decision was resolved with, of any type.
pub(in crate::worker) type DecisionValue = Box<dyn Any + Send>;

/// A decision on a request that is made later, on any thread. [`Connecting::later`](crate::Connecting::later) makes it.
///
/// When the decision is resolved with a value, the worker calls the handler again with the request and the value. If the decision is dropped
/// instead, the client gets 503. Neither has an effect once the connection is gone or the decision has timed out:
/// [`is_awaited`](Self::is_awaited) returns `false` then. The server does not read from the connection meanwhile, but it notices when the
/// client resets it or ends its half.
///
/// A place in the worker's queue is reserved for each decision, so that a full mailbox does not refuse it. A worker has 4,096 places
/// ([`budget::DECISIONS`](crate::budget::DECISIONS)), and each is taken until its decision was
/// resolved or dropped and the worker has taken the result: do not leak decisions. The end of a connection does not free the place:
/// otherwise clients that connect and leave, again and again, could make an application begin any number of decisions.
#[must_use]
pub struct Decision<T> {
    id: DecisionId,
    /// `None` once the decision is resolved.
    results: Option<Arc<ResultSender>>,
    is_awaited: Arc<AtomicBool>,
    value: PhantomData<fn(T)>,
}

/// The worker's end of a decision. Once it is dropped, the decision is not awaited any more.
#[derive(Debug)]
pub(in crate::worker) struct PendingDecision {
    /// The number of the decision.
    number: u64,
    is_awaited: Arc<AtomicBool>,
}

/// Identifies a decision for the lifetime of its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct DecisionId {
    /// The connection that sent the request.
    pub(in crate::worker) conn: ConnId,
    /// The number of the decision among those of the worker, from 1. A connection may wait for several decisions, one after the other.
    pub(in crate::worker) number: u64,
}

/// A decision that was resolved or dropped.
pub(in crate::worker) struct DecisionResult {
    pub(in crate::worker) id: DecisionId,
    /// The value of the decision; `None` when the decision was dropped.
    pub(in crate::worker) value: Option<DecisionValue>,
}

/// The sending end of a worker's queue of decisions.
struct ResultSender {
    sender: Sender<DecisionResult>,
    notifier: Arc<Notifier<Box<dyn Wake>>>,
}

/// A worker's pending decisions, and the queue of those that were resolved or dropped.
pub(in crate::worker) struct Decisions {
    counters: Arc<Counters>,
    results: Arc<ResultSender>,
    /// The receiving end of the queue. It has an entry for each decision that was resolved or dropped, and never more than `most`.
    returned: Receiver<DecisionResult>,
    /// Places that are taken: by pending decisions and by entries of the queue.
    taken: usize,
    most: usize,
    last_number: u64,
    /// The decisions that connections wait for, by the index of the connection.
    awaited: HashMap<ConnIndex, PendingDecision>,
}

impl<T: Send + 'static> Decision<T> {
    /// Resolves the decision with a value, such as the user that a token belongs to. The worker calls the handler again with the request, and
    /// [`Connecting::take_resolved`](crate::Connecting::take_resolved) returns the value.
    pub fn resolve(mut self, value: T) {
        if let Some(results) = self.results.take() {
            results.send(DecisionResult { id: self.id, value: Some(Box::new(value)) });
        }
    }
}

impl<T> Decision<T> {
    /// Returns whether the client still waits for the decision. `false` when the client has reset the connection, has ended its half of it
    /// after asking for a WebSocket, or has got 503 because the decision took too long or the server ends. Resolving the decision has no
    /// effect then: drop it, and stop the work that it needs.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Decision<T> {
    fn drop(&mut self) {
        if let Some(results) = self.results.take() {
            results.send(DecisionResult { id: self.id, value: None });
        }
    }
}

impl<T> fmt::Debug for Decision<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for PendingDecision {
    fn drop(&mut self) {
        // No other memory depends on it.
        self.is_awaited.store(false, Ordering::Relaxed);
    }
}

/// Numbers are unique among the decisions of a worker.
impl PartialEq for PendingDecision {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for PendingDecision {}

impl ResultSender {
    fn send(&self, returned: DecisionResult) {
        // The worker may have ended.
        if self.sender.send(returned).is_ok() {
            self.notifier.notify();
        }
    }
}

impl Decisions {
    /// Makes a queue with `most` places for a worker that `notifier` wakes.
    pub(in crate::worker) fn new(
        notifier: Arc<Notifier<Box<dyn Wake>>>,
        most: usize,
        counters: Arc<Counters>,
    ) -> Self {
        let (sender, returned) = channel();
        Self {
            counters,
            results: Arc::new(ResultSender { sender, notifier }),
            returned,
            taken: 0,
            most,
            last_number: 0,
            awaited: HashMap::new(),
        }
    }

    /// Takes a place for a decision on a request of this connection. Returns `None` when all are taken.
    pub(in crate::worker) fn begin<T>(&mut self, conn: ConnId) -> Option<(Decision<T>, PendingDecision)> {
        if self.taken == self.most {
            self.counters.decisions_refused.add(1);
            return None;
        }
        self.taken += 1;
        self.last_number += 1;
        let id = DecisionId { conn, number: self.last_number };
        let is_awaited = Arc::new(AtomicBool::new(true));
        let pending = PendingDecision { number: id.number, is_awaited: Arc::clone(&is_awaited) };
        let results = Some(Arc::clone(&self.results));
        Some((Decision { id, results, is_awaited, value: PhantomData }, pending))
    }

    /// Notes that the connection at `index` waits for this decision.
    pub(in crate::worker) fn set_awaited(&mut self, index: ConnIndex, decision: PendingDecision) {
        self.awaited.insert(index, decision);
        self.counters.decisions_pending.set(self.awaited.len() as u64);
    }

    /// Returns whether the connection at `index` waits for this decision.
    pub(in crate::worker) fn is_awaited(&self, index: ConnIndex, id: DecisionId) -> bool {
        self.awaited.get(&index).is_some_and(|pending| pending.number == id.number)
    }

    /// Notes that the connection at `index` waits for no decision any more.
    pub(in crate::worker) fn forget(&mut self, index: ConnIndex) {
        self.awaited.remove(&index);
        free_spare(&mut self.awaited, LIST_KEEP);
        self.counters.decisions_pending.set(self.awaited.len() as u64);
    }

    /// Takes the next decision that was resolved or dropped, and frees its place.
    pub(in crate::worker) fn take(&mut self) -> Option<DecisionResult> {
        if self.taken == 0 {
            return None;
        }
        let returned = self.returned.try_recv().ok()?;
        self.taken -= 1;
        Some(returned)
    }

    /// Returns the number of places that are taken.
    #[cfg(any(test, feature = "simulation"))]
    pub(in crate::worker) const fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn decisions(most: usize) -> (Decisions, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let notifier = Notifier::new(Box::new(Arc::clone(&wakes)) as Box<dyn Wake>);
        (Decisions::new(Arc::new(notifier), most, Arc::default()), wakes)
    }

    #[test]
    fn a_decision_returns_once_with_its_value_or_without() {
        let (mut decisions, wakes) = decisions(10);
        let conn = ConnId::from_u64(7);
        let (first, _pending) = decisions.begin::<String>(conn).unwrap();
        let (second, _pending) = decisions.begin::<u32>(conn).unwrap();
        assert_ne!(first.id, second.id);
        let (first_id, second_id) = (first.id, second.id);
        std::thread::spawn(move || second.resolve(5)).join().unwrap();
        drop(first);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let returned = decisions.take().unwrap();
        assert_eq!((returned.id, *returned.value.unwrap().downcast::<u32>().unwrap()), (second_id, 5));
        let returned = decisions.take().unwrap();
        assert_eq!((returned.id, returned.value.is_none()), (first_id, true));
        assert!(decisions.take().is_none() && decisions.taken() == 0);
    }

    #[test]
    fn a_place_is_taken_until_the_worker_has_the_result() {
        let (mut decisions, _) = decisions(2);
        let conn = ConnId::from_u64(7);
        let ((first, _), second) = (decisions.begin::<()>(conn).unwrap(), decisions.begin::<()>(conn));
        assert!(second.is_some() && decisions.begin::<()>(conn).is_none());
        first.resolve(());
        assert!(decisions.begin::<()>(conn).is_none(), "its entry is in the queue");
        assert!(decisions.take().is_some());
        assert!(decisions.begin::<()>(conn).is_some());
    }

    #[test]
    fn a_decision_is_awaited_until_its_connection_is_forgotten() {
        let (mut decisions, _) = decisions(2);
        let index = ConnIndex::new(7);
        let (decision, pending) = decisions.begin::<()>(ConnId::from_u64(7)).unwrap();
        decisions.set_awaited(index, pending);
        assert!(decision.is_awaited() && decisions.is_awaited(index, decision.id));
        decisions.forget(index);
        assert!(!decision.is_awaited() && !decisions.is_awaited(index, decision.id));
        // A handler may return another verdict than the one that waits for the decision.
        let (decision, _) = decisions.begin::<()>(ConnId::from_u64(7)).unwrap();
        assert!(!decision.is_awaited());
    }

    #[test]
    fn a_worker_that_has_ended_receives_nothing() {
        let (mut decisions, wakes) = decisions(2);
        let (decision, pending) = decisions.begin::<()>(ConnId::from_u64(7)).unwrap();
        decisions.set_awaited(ConnIndex::new(7), pending);
        assert!(decision.is_awaited());
        drop(decisions);
        assert!(!decision.is_awaited());
        decision.resolve(());
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
    }
}
