//! The queues from a worker's end of the local broker to the other ends and to itself. They keep the order of entries even where a queue is
//! full.

use std::collections::VecDeque;
use std::sync::Arc;

use super::messages::Delivery;
use super::shared::{LocalBrokerShared, OwnerRequest, QueueError, WorkerReceivers};
use crate::base::spare::free_spare;
use crate::budget::{LIST_KEEP, SMALL_LIST_KEEP};
use crate::hub::hash::owner_of;

/// The queues to and from other workers. An entry that a full queue does not take stays here unsent, and so do all later entries to the
/// same worker.
///
/// Entries that the worker sends to itself go through no channel and cause no wake-up: the worker takes them before it waits again.
pub(crate) struct Peers {
    shared: Arc<LocalBrokerShared>,
    worker: usize,
    /// The receiving ends of this worker's queues; `None` only in tests of an owner without workers.
    receivers: Option<WorkerReceivers>,
    unsent_request_queues: Vec<VecDeque<Box<OwnerRequest>>>,
    unsent_delivery_queues: Vec<VecDeque<Delivery>>,
    /// Number of unsent requests and deliveries to other workers.
    unsent_requests: usize,
    unsent_deliveries: usize,
    loopback: Loopback,
    /// By a worker's number: it has got deliveries since the last [`wake`](Self::wake).
    to_wake: Vec<bool>,
}

/// Requests and deliveries that the worker has sent to itself.
#[derive(Default)]
struct Loopback {
    requests: VecDeque<Box<OwnerRequest>>,
    deliveries: VecDeque<Delivery>,
    /// The last entry that was taken was one of the worker's own, so the next one is one of another worker.
    own_request_was_last: bool,
    own_delivery_was_last: bool,
}

impl Peers {
    pub(crate) fn new(
        shared: Arc<LocalBrokerShared>,
        worker: usize,
        workers: usize,
        receivers: Option<WorkerReceivers>,
    ) -> Self {
        Self {
            shared,
            worker,
            receivers,
            unsent_request_queues: (0..workers).map(|_| VecDeque::new()).collect(),
            unsent_delivery_queues: (0..workers).map(|_| VecDeque::new()).collect(),
            unsent_requests: 0,
            unsent_deliveries: 0,
            loopback: Loopback::default(),
            to_wake: vec![false; workers],
        }
    }

    /// Sends a request to the owner of a topic, which may be this worker. The request stays unsent where the owner's queue is full.
    /// Clients' requests to subscribe are refused while many requests are unsent.
    pub(crate) fn request(&mut self, hash: u64, request: OwnerRequest) {
        let (owner, request) = (self.owner_of(hash), Box::new(request));
        if owner == self.worker {
            return self.loopback.requests.push_back(request);
        }
        let unsent = &mut self.unsent_request_queues[owner];
        if !unsent.is_empty() {
            unsent.push_back(request);
        } else if let Err((QueueError::Full, request)) = self.shared.try_request(owner, request) {
            unsent.push_back(request);
        } else {
            return;
        }
        self.unsent_requests += 1;
    }

    /// Sends a request to the owner of a topic, if the owner's queue has room.
    pub(crate) fn try_request(&mut self, hash: u64, request: OwnerRequest) -> Result<(), QueueError> {
        let (owner, request) = (self.owner_of(hash), Box::new(request));
        if owner != self.worker {
            return self.shared.try_request(owner, request).map_err(|(error, _)| error);
        }
        if self.loopback.requests.len() >= self.shared.config.sizes.queue {
            return Err(QueueError::Full);
        }
        self.loopback.requests.push_back(request);
        Ok(())
    }

    /// Sends a delivery to a worker. Another worker has still to be [woken](Self::wake).
    pub(crate) fn deliver(&mut self, worker: usize, delivery: Delivery) {
        if worker == self.worker {
            return self.loopback.deliveries.push_back(delivery);
        }
        let unsent = &mut self.unsent_delivery_queues[worker];
        self.to_wake[worker] = true;
        if !unsent.is_empty() {
            unsent.push_back(delivery);
        } else if let Err((QueueError::Full, delivery)) = self.shared.try_deliver(worker, delivery) {
            unsent.push_back(delivery);
        } else {
            return;
        }
        self.unsent_deliveries += 1;
    }

    /// Returns the worker that owns the topic whose name has this hash.
    fn owner_of(&self, hash: u64) -> usize {
        owner_of(hash, self.to_wake.len())
    }

    /// Takes the next request to this worker: alternately one of its own and one of another worker.
    pub(crate) fn next_request(&mut self) -> Option<Box<OwnerRequest>> {
        let Self { receivers, loopback: Loopback { requests, own_request_was_last, .. }, .. } = self;
        next_alternately(requests, own_request_was_last, || receivers.as_ref()?.requests.try_recv().ok())
    }

    /// Takes the next delivery to this worker: alternately one of its own and one of another worker.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        let Self { receivers, loopback: Loopback { deliveries, own_delivery_was_last, .. }, .. } = self;
        next_alternately(deliveries, own_delivery_was_last, || receivers.as_ref()?.deliveries.try_recv().ok())
    }

    /// Returns the number of unsent requests, including those to itself that exceed a queue's capacity.
    pub(crate) fn unsent_requests(&self) -> usize {
        self.unsent_requests + self.loopback.requests.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Returns the number of unsent deliveries, including those to itself that exceed a queue's capacity. While there are any, the
    /// worker should accept no requests that cause more.
    pub(crate) fn unsent_deliveries(&self) -> usize {
        self.unsent_deliveries + self.loopback.deliveries.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Returns whether entries to other workers are unsent, so that the worker has to [try again](Self::retry).
    pub(crate) const fn has_unsent(&self) -> bool {
        self.unsent_requests + self.unsent_deliveries > 0
    }

    /// Returns the numbers of requests and deliveries that the worker has sent to itself and not taken.
    pub(crate) fn loopback_lens(&self) -> [usize; 2] {
        [self.loopback.requests.len(), self.loopback.deliveries.len()]
    }

    /// Wakes the workers that have got deliveries, each of them once, so that messages that were published together are delivered together.
    pub(crate) fn wake(&mut self) {
        for (worker, to_wake) in self.to_wake.iter_mut().enumerate() {
            if std::mem::take(to_wake) {
                self.shared.wake(worker);
            }
        }
    }

    /// Tries to send the unsent entries.
    pub(crate) fn retry(&mut self) {
        let Self {
            shared,
            unsent_request_queues,
            unsent_delivery_queues,
            unsent_requests,
            unsent_deliveries,
            to_wake,
            ..
        } = self;
        if *unsent_requests > 0 {
            for (worker, unsent) in unsent_request_queues.iter_mut().enumerate() {
                *unsent_requests -= send_unsent(unsent, |request| shared.try_request(worker, request));
            }
        }
        if *unsent_deliveries > 0 {
            for (worker, unsent) in unsent_delivery_queues.iter_mut().enumerate() {
                let sent = send_unsent(unsent, |delivery| shared.try_deliver(worker, delivery));
                *unsent_deliveries -= sent;
                to_wake[worker] |= sent > 0;
            }
        }
    }

    /// Frees unused capacity of empty queues.
    pub(crate) fn shrink(&mut self) {
        free_spare(&mut self.loopback.requests, LIST_KEEP);
        free_spare(&mut self.loopback.deliveries, LIST_KEEP);
    }
}

/// Takes the next entry: alternately one of the worker's own and one of the others, or one of the others if the worker has none of its own.
fn next_alternately<T>(
    own: &mut VecDeque<T>,
    own_was_last: &mut bool,
    mut others: impl FnMut() -> Option<T>,
) -> Option<T> {
    if own.is_empty() {
        return others();
    }
    *own_was_last = !*own_was_last;
    if *own_was_last { own.pop_front() } else { others().or_else(|| own.pop_front()) }
}

/// Sends unsent entries until the queue is full. Returns the number of entries sent.
fn send_unsent<T>(unsent: &mut VecDeque<T>, send: impl Fn(T) -> Result<(), (QueueError, T)>) -> usize {
    let before = unsent.len();
    while let Some(first) = unsent.pop_front() {
        if let Err((QueueError::Full, first)) = send(first) {
            unsent.push_front(first);
            break;
        }
    }
    free_spare(unsent, SMALL_LIST_KEEP);
    before - unsent.len()
}
