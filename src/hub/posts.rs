//! What a worker's hub sends to others, in order, even where their queues are full for the moment.

use std::collections::VecDeque;
use std::sync::Arc;

use super::exchange::{Exchange, Unposted};
use super::mail::{Delivery, Request};

/// Outgoing mail of one worker. What a full queue did not take is held back, and all that follows it to the same worker.
pub(crate) struct Posts {
    exchange: Arc<Exchange>,
    requests: Vec<VecDeque<Box<Request>>>,
    deliveries: Vec<VecDeque<Delivery>>,
    held_requests: usize,
    held_deliveries: usize,
    /// Workers that have got deliveries since the last [`wake`](Self::wake).
    delivered: Vec<bool>,
}

impl Posts {
    pub(crate) fn new(exchange: Arc<Exchange>, workers: usize) -> Self {
        Self {
            exchange,
            requests: (0..workers).map(|_| VecDeque::new()).collect(),
            deliveries: (0..workers).map(|_| VecDeque::new()).collect(),
            held_requests: 0,
            held_deliveries: 0,
            delivered: vec![false; workers],
        }
    }

    /// Sends a request to the home of a topic. There are never more of them held back than what clients wait for.
    pub(crate) fn request(&mut self, hash: u64, request: Request) {
        let home = self.exchange.home(hash);
        let request = Box::new(request);
        let held = &mut self.requests[home];
        if !held.is_empty() {
            held.push_back(request);
        } else if let Err((Unposted::Full, request)) = self.exchange.try_post(home, request) {
            held.push_back(request);
        } else {
            return;
        }
        self.held_requests += 1;
    }

    /// Delivers something to a worker, which finds it when it is [woken](Self::wake).
    pub(crate) fn deliver(&mut self, worker: usize, delivery: Delivery) {
        let held = &mut self.deliveries[worker];
        self.delivered[worker] = true;
        if !held.is_empty() {
            held.push_back(delivery);
        } else if let Err((Unposted::Full, delivery)) = self.exchange.try_deliver(worker, delivery) {
            held.push_back(delivery);
        } else {
            return;
        }
        self.held_deliveries += 1;
    }

    /// Requests that are held back.
    pub(crate) const fn held_requests(&self) -> usize {
        self.held_requests
    }

    /// Deliveries that are held back: as long as there are any, this worker should take nothing in that makes more.
    pub(crate) const fn held_deliveries(&self) -> usize {
        self.held_deliveries
    }

    /// Wakes the workers that have got deliveries: once for all of them, so that messages which were published together leave together.
    pub(crate) fn wake(&mut self) {
        for (worker, delivered) in self.delivered.iter_mut().enumerate() {
            if std::mem::take(delivered) {
                self.exchange.wake(worker);
            }
        }
    }

    /// Tries again what was held back.
    pub(crate) fn retry(&mut self) {
        let Self { exchange, requests, deliveries, held_requests, held_deliveries, delivered } = self;
        if *held_requests > 0 {
            for (worker, held) in requests.iter_mut().enumerate() {
                *held_requests -= drain(held, |request| exchange.try_post(worker, request));
            }
        }
        if *held_deliveries > 0 {
            for (worker, held) in deliveries.iter_mut().enumerate() {
                let sent = drain(held, |delivery| exchange.try_deliver(worker, delivery));
                *held_deliveries -= sent;
                delivered[worker] |= sent > 0;
            }
        }
    }
}

/// Sends what is held until the queue is full, and says how many went.
fn drain<T>(held: &mut VecDeque<T>, send: impl Fn(T) -> Result<(), (Unposted, T)>) -> usize {
    let before = held.len();
    while let Some(first) = held.pop_front() {
        if let Err((Unposted::Full, first)) = send(first) {
            held.push_front(first);
            break;
        }
    }
    if held.is_empty() && held.capacity() > 64 {
        *held = VecDeque::new();
    }
    before - held.len()
}
