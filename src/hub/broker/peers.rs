//! What a worker's end of the local broker sends to the others and to itself, in order, even where their queues are full for the moment.

use std::collections::VecDeque;
use std::sync::Arc;

use super::messages::Delivery;
use super::shared::{LocalShared, OwnerRequest, QueueError, WorkerEnds};

/// Places that a queue keeps where nothing waits in it.
const MOST_SPARE: usize = 64;

/// The queues to and from other workers. What a full queue did not take is held back, and all that follows it to the same worker.
///
/// What the worker sends to itself goes through no channel and wakes nobody: the worker takes it before it waits again.
pub(crate) struct Peers {
    shared: Arc<LocalShared>,
    worker: usize,
    /// There but in tests of an owner by itself.
    ends: Option<WorkerEnds>,
    requests: Vec<VecDeque<Box<OwnerRequest>>>,
    deliveries: Vec<VecDeque<Delivery>>,
    /// Held back, to other workers.
    held_requests: usize,
    held_deliveries: usize,
    own: Own,
    /// Workers that have got deliveries since the last [`wake`](Self::wake).
    delivered: Vec<bool>,
}

/// What the worker has sent to itself.
#[derive(Default)]
struct Own {
    requests: VecDeque<Box<OwnerRequest>>,
    deliveries: VecDeque<Delivery>,
    /// What was taken last came from another worker.
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

    /// Sends a request to the owner of a topic, which may be this worker. There are never more of them held back than what clients wait
    /// for.
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

    /// Sends a request to the owner of a topic, if its queue has room.
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

    /// Delivers something to a worker. Another one finds it when it is [woken](Self::wake).
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

    /// The next request to this worker: in turn one of its own and one of another's.
    pub(crate) fn next_request(&mut self) -> Option<Box<OwnerRequest>> {
        let Self { ends, own: Own { requests, is_next_request, .. }, .. } = self;
        take_turns(requests, is_next_request, || ends.as_ref()?.requests.try_recv().ok())
    }

    /// The next delivery to this worker: in turn one of its own and one of another's.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        let Self { ends, own: Own { deliveries, is_next_delivery, .. }, .. } = self;
        take_turns(deliveries, is_next_delivery, || ends.as_ref()?.deliveries.try_recv().ok())
    }

    /// Requests that are held back, and those to itself that no queue would have room for.
    pub(crate) fn held_requests(&self) -> usize {
        self.held_requests + self.own.requests.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Deliveries that are held back: as long as there are any, this worker should take nothing in that makes more.
    pub(crate) fn held_deliveries(&self) -> usize {
        self.held_deliveries + self.own.deliveries.len().saturating_sub(self.shared.config.sizes.queue)
    }

    /// Whether something is held back for other workers, so that it has to be [tried again](Self::retry).
    pub(crate) const fn has_held(&self) -> bool {
        self.held_requests + self.held_deliveries > 0
    }

    /// What the worker has sent to itself and not taken, requests and deliveries.
    pub(crate) fn own(&self) -> [usize; 2] {
        [self.own.requests.len(), self.own.deliveries.len()]
    }

    /// Wakes the workers that have got deliveries: once for all of them, so that messages which were published together leave together.
    pub(crate) fn wake(&mut self) {
        for (worker, delivered) in self.delivered.iter_mut().enumerate() {
            if std::mem::take(delivered) {
                self.shared.wake(worker);
            }
        }
    }

    /// Tries again what was held back.
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

    /// Gives memory back that much at a time has taken.
    pub(crate) fn shrink(&mut self) {
        shrink(&mut self.own.requests);
        shrink(&mut self.own.deliveries);
    }
}

/// Takes the next entry of a worker's own, or of the others where it is their turn or the worker has none.
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

/// Sends what is held until the queue is full, and says how many went.
fn drain<T>(held: &mut VecDeque<T>, send: impl Fn(T) -> Result<(), (QueueError, T)>) -> usize {
    let before = held.len();
    while let Some(first) = held.pop_front() {
        if let Err((QueueError::Full, first)) = send(first) {
            held.push_front(first);
            break;
        }
    }
    shrink(held);
    before - held.len()
}

fn shrink<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > MOST_SPARE {
        *queue = VecDeque::new();
    }
}
