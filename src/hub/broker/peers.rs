//! The queues from a worker's end of the local broker to the other ends and to itself. They keep the order of entries even where a queue is
//! full.

use std::collections::VecDeque;
use std::sync::Arc;

use super::messages::Delivery;
use super::shared::{LocalShared, OwnerRequest, QueueError, WorkerEnds};
use crate::base::spare::free_spare;
use crate::budget::{LIST_KEEP, SMALL_LIST_KEEP};

/// The queues to and from other workers. An entry that a full queue does not take is held back, with all later entries to the same worker.
///
/// Entries that the worker sends to itself go through no channel and cause no wake-up: the worker takes them before it waits again.
pub(crate) struct Peers {
    shared: Arc<LocalShared>,
    worker: usize,
    /// The receiving ends of this worker's queues; `None` only in tests of an owner without workers.
    ends: Option<WorkerEnds>,
    requests: Vec<VecDeque<Box<OwnerRequest>>>,
    deliveries: Vec<VecDeque<Delivery>>,
    /// Number of requests and deliveries that are held back for other workers.
    held_requests: usize,
    held_deliveries: usize,
    own: Own,
    /// Workers that have got deliveries since the last [`wake`](Self::wake), by number.
    delivered: Vec<bool>,
}

/// Requests and deliveries that the worker has sent to itself.
#[derive(Default)]
struct Own {
    requests: VecDeque<Box<OwnerRequest>>,
    deliveries: VecDeque<Delivery>,
    /// The last turn was the worker's own, so that the next one is the other workers'.
    is_next_request: bool,
    is_next_delivery: bool,
}

impl Peers {
    pub(crate) fn new(
        shared: Arc<LocalShared>,
        worker: usize,
        workers: usize,
        ends: Option<WorkerEnds>,
    ) -> Self {
        Self {
            shared,
            worker,
            ends,
            requests: (0..workers).map(|_| VecDeque::new()).collect(),
            deliveries: (0..workers).map(|_| VecDeque::new()).collect(),
            held_requests: 0,
            held_deliveries: 0,
            own: Own::default(),
            delivered: vec![false; workers],
        }
    }

    /// Sends a request to the owner of a topic, which may be this worker. What clients wait for bounds the number of requests held back.
    pub(crate) fn request(&mut self, hash: u64, request: OwnerRequest) {
        let (owner, request) = (self.shared.owner(hash), Box::new(request));
        if owner == self.worker {
            return self.own.requests.push_back(request);
        }
        let held = &mut self.requests[owner];
        if !held.is_empty() {
            held.push_back(request);
        } else if let Err((QueueError::Full, request)) = self.shared.try_request(owner, request) {
            held.push_back(request);
        } else {
            return;
        }
        self.held_requests += 1;
    }

    /// Sends a request to the owner of a topic, if the owner's queue has room.
    pub(crate) fn try_request(&mut self, hash: u64, request: OwnerRequest) -> Result<(), QueueError> {
        let (owner, request) = (self.shared.owner(hash), Box::new(request));
        if owner != self.worker {
            return self.shared.try_request(owner, request).map_err(|(error, _)| error);
        }
        if self.own.requests.len() >= self.shared.config.sizes.queue {
            return Err(QueueError::Full);
        }
        self.own.requests.push_back(request);
        Ok(())
    }

    /// Sends a delivery to a worker. Another worker has still to be [woken](Self::wake).
    pub(crate) fn deliver(&mut self, worker: usize, delivery: Delivery) {
        if worker == self.worker {
            return self.own.deliveries.push_back(delivery);
        }
        let held = &mut self.deliveries[worker];
        self.delivered[worker] = true;
        if !held.is_empty() {
            held.push_back(delivery);
        } else if let Err((QueueError::Full, delivery)) = self.shared.try_deliver(worker, delivery) {
            held.push_back(delivery);
        } else {
            return;
        }
        self.held_deliveries += 1;
    }

    /// Takes the next request to this worker: alternately one of its own and one of another worker.
    pub(crate) fn next_request(&mut self) -> Option<Box<OwnerRequest>> {
        let Self { ends, own: Own { requests, is_next_request, .. }, .. } = self;
        take_turns(requests, is_next_request, || ends.as_ref()?.requests.try_recv().ok())
    }

    /// Takes the next delivery to this worker: alternately one of its own and one of another worker.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        let Self { ends, own: Own { deliveries, is_next_delivery, .. }, .. } = self;
        take_turns(deliveries, is_next_delivery, || ends.as_ref()?.deliveries.try_recv().ok())
    }

    /// Returns the number of requests held back, including those to itself that exceed a queue's capacity.
    pub(crate) fn held_requests(&self) -> usize {
        self.held_requests + self.own.requests.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Returns the number of deliveries held back, including those to itself that exceed a queue's capacity. While there are any, the
    /// worker should accept no requests that cause more.
    pub(crate) fn held_deliveries(&self) -> usize {
        self.held_deliveries + self.own.deliveries.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Returns whether entries are held back for other workers, so that the worker has to [try again](Self::retry).
    pub(crate) const fn has_held(&self) -> bool {
        self.held_requests + self.held_deliveries > 0
    }

    /// Returns the numbers of requests and deliveries that the worker has sent to itself and not taken.
    pub(crate) fn own(&self) -> [usize; 2] {
        [self.own.requests.len(), self.own.deliveries.len()]
    }

    /// Wakes the workers that have got deliveries, each of them once, so that messages that were published together are delivered together.
    pub(crate) fn wake(&mut self) {
        for (worker, delivered) in self.delivered.iter_mut().enumerate() {
            if std::mem::take(delivered) {
                self.shared.wake(worker);
            }
        }
    }

    /// Tries to send the entries that are held back.
    pub(crate) fn retry(&mut self) {
        let Self { shared, requests, deliveries, held_requests, held_deliveries, delivered, .. } = self;
        if *held_requests > 0 {
            for (worker, held) in requests.iter_mut().enumerate() {
                *held_requests -= drain(held, |request| shared.try_request(worker, request));
            }
        }
        if *held_deliveries > 0 {
            for (worker, held) in deliveries.iter_mut().enumerate() {
                let sent = drain(held, |delivery| shared.try_deliver(worker, delivery));
                *held_deliveries -= sent;
                delivered[worker] |= sent > 0;
            }
        }
    }

    /// Frees unused capacity of empty queues.
    pub(crate) fn shrink(&mut self) {
        free_spare(&mut self.own.requests, LIST_KEEP);
        free_spare(&mut self.own.deliveries, LIST_KEEP);
    }
}

/// Takes the next entry: alternately one of the worker's own and one of the others, or one of the others if the worker has none of its own.
fn take_turns<T>(
    own: &mut VecDeque<T>,
    is_next: &mut bool,
    mut others: impl FnMut() -> Option<T>,
) -> Option<T> {
    if own.is_empty() {
        return others();
    }
    *is_next = !*is_next;
    if *is_next { own.pop_front() } else { others().or_else(|| own.pop_front()) }
}

/// Sends held entries until the queue is full. Returns the number of entries sent.
fn drain<T>(held: &mut VecDeque<T>, send: impl Fn(T) -> Result<(), (QueueError, T)>) -> usize {
    let before = held.len();
    while let Some(first) = held.pop_front() {
        if let Err((QueueError::Full, first)) = send(first) {
            held.push_front(first);
            break;
        }
    }
    free_spare(held, SMALL_LIST_KEEP);
    before - held.len()
}
