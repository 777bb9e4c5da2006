//! One thread's event loop: connections that open, stay and leave, each in a slot that the next one takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token};
use throng::sys::socket;

use super::Leave;
use super::visits::{Counts, Plan};
use crate::engine::connection::{Connection, Ready, Step, dial};
use crate::engine::target::Target;
use crate::engine::timer::Timer;
use crate::engine::wait;
use crate::engine::wire::{Wire, at, reason};
use crate::measure::percentiles::micros;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections begun in one iteration, so that those that open do not wait long.
const BUDGET: usize = 64;
/// How often timeouts are looked at.
const TICK: Duration = Duration::from_millis(100);
/// The timer's token: no slot has that index.
const TIMER: Token = Token(usize::MAX);

/// A thread.
pub(super) struct Client {
    plan: Arc<Plan>,
    thread: usize,
    start: Instant,
    poll: Poll,
    /// Wakes the thread when a connection is to begin or to leave.
    timer: Timer,
    slots: Vec<Slot>,
    /// Which target each slot's connection is to.
    to: Vec<usize>,
    free: Vec<usize>,
    /// Slots whose connections went while events were served: events that are still to come may be meant for those.
    freed: Vec<usize>,
    /// Connections begun, or given up because no slot was free.
    begun: u64,
    now: Instant,
    next_tick: Instant,
    counts: Counts,
    wire: Wire,
}

#[derive(Debug)]
enum Slot {
    Free,
    /// Since then the server owes it something.
    Opening(Connection, Instant),
    /// Until then.
    Staying(Connection, Instant),
    /// As `Opening`.
    Closing(Connection, Instant),
}

impl Client {
    pub(super) fn new(thread: usize, plan: Arc<Plan>, start: Instant) -> anyhow::Result<Self> {
        let threads = plan.threads.count;
        let share = plan.connections / threads + usize::from(thread < plan.connections % threads);
        let poll = Poll::new().context("cannot make an epoll")?;
        let now = Instant::now();
        Ok(Self {
            thread,
            start,
            timer: Timer::new(poll.registry(), TIMER)?,
            poll,
            slots: (0..share).map(|_| Slot::Free).collect(),
            to: vec![0; share],
            free: (0..share).rev().collect(),
            freed: Vec::new(),
            begun: 0,
            now,
            next_tick: now,
            counts: Counts::default(),
            wire: Wire { sample_key: plan.sample_key, ..Wire::new(plan.seed.wrapping_add(thread as u64)) },
            plan,
        })
    }

    /// Runs until the time is over and all have left, or it is aborted.
    pub(super) fn run(mut self, abort: &AtomicBool) -> anyhow::Result<Counts> {
        let mut events = Events::with_capacity(EVENTS);
        let end = self.start + self.plan.warm_up + self.plan.time;
        loop {
            self.now = Instant::now();
            if abort.load(Ordering::Relaxed) {
                return Ok(self.counts);
            }
            self.free.append(&mut self.freed);
            let is_over = self.now >= end;
            if is_over && self.free.len() == self.slots.len() {
                self.counts.not_begun = self.owed(end);
                return Ok(self.counts);
            }
            let more = !is_over && self.begin_some();
            self.look_at_slots(is_over);
            let patience =
                if more { Duration::ZERO } else { self.next_tick.saturating_duration_since(self.now) };
            wait(&mut self.poll, &mut events, patience)?;
            for event in &events {
                if event.token() != TIMER {
                    self.serve(event.token().0, Ready::from(event));
                }
            }
        }
    }

    /// Begins what is due. `true` when more is.
    fn begin_some(&mut self) -> bool {
        for _ in 0..BUDGET {
            let planned = self.planned(self.begun);
            if planned > Instant::now() {
                self.wake_at(planned);
                return false;
            }
            let Some(index) = self.free.pop() else { return false };
            self.begin(index, planned);
        }
        true
    }

    /// When the connection with this number of the thread shall begin.
    fn planned(&self, number: u64) -> Instant {
        let Some(rate) = self.plan.rate else { return self.start };
        let number = number * self.plan.threads.count as u64 + self.thread as u64;
        self.start + Duration::from_secs_f64(number as f64 / rate)
    }

    /// Planned connections that were never begun.
    fn owed(&self, end: Instant) -> u64 {
        let numbers = (self.begun..).take_while(|&number| self.planned(number) < end);
        if self.plan.rate.is_some() { numbers.count() as u64 } else { 0 }
    }

    fn begin(&mut self, index: usize, planned: Instant) {
        let number = self.number();
        self.begun += 1;
        let from = self.plan.sources.of(number);
        self.to[index] = number / self.plan.sources.count() % self.plan.targets.len();
        let to = self.target(index).address;
        let now = Instant::now();
        let since = if self.plan.rate.is_some() { planned } else { now };
        // Only with slots to spare is it this program that is late.
        if self.plan.rate.is_some() && self.free.len() > self.slots.len() / 2 && self.is_measured() {
            self.counts.behind_us = self.counts.behind_us.max(micros(now - planned));
        }
        match dial(self.poll.registry(), Token(index), from, to) {
            Ok(fd) => {
                let connection = Connection::connecting(fd, since, &mut self.wire);
                self.slots[index] = Slot::Opening(connection, now);
            }
            Err((doing, error)) => {
                self.counts.failed.count(at(&reason(doing, &error), to));
                self.freed.push(index);
            }
        }
    }

    /// The number of the next connection among those of all threads, by which addresses are taken in turn.
    fn number(&self) -> usize {
        usize::try_from(self.begun).unwrap_or(usize::MAX).wrapping_mul(self.plan.threads.count) + self.thread
    }

    /// Whom the connection in a slot is to.
    fn target(&self, index: usize) -> &Target {
        &self.plan.targets[self.to[index]]
    }

    fn serve(&mut self, index: usize, ready: Ready) {
        let slot = &mut self.slots[index];
        let (Slot::Opening(connection, _) | Slot::Staying(connection, _) | Slot::Closing(connection, _)) =
            slot
        else {
            return;
        };
        let target = &self.plan.targets[self.to[index]];
        let step = connection.ready(ready, target, self.plan.raw, &mut self.wire);
        let has_opened = matches!(step, Step::Opened(_));
        self.follow(index, step);
        if has_opened && !self.plan.raw {
            // What came right behind the response.
            let Slot::Staying(connection, _) = &mut self.slots[index] else { return };
            let step = connection.greet(ready, &mut self.wire);
            self.follow(index, step);
        }
        if has_opened && self.plan.stay.is_zero() {
            self.leave(index);
        }
    }

    fn follow(&mut self, index: usize, step: Step) {
        let reasons = match step {
            Step::Stay => return,
            Step::Opened(planned) => {
                if self.is_measured() {
                    self.counts.opened += 1;
                    self.counts.latency.record(planned.elapsed());
                }
                let until = Instant::now() + self.plan.stay;
                if let Slot::Opening(connection, _) = std::mem::replace(&mut self.slots[index], Slot::Free) {
                    self.slots[index] = Slot::Staying(connection, until);
                }
                return;
            }
            Step::Closed => return self.free(index),
            Step::Failed(reason) => {
                let reason = at(&reason, self.target(index).address);
                (&mut self.counts.failed, reason)
            }
            Step::Lost(reason) => (&mut self.counts.lost, reason),
            Step::Unclean(reason) => (&mut self.counts.unclean, reason),
        };
        reasons.0.count(reasons.1);
        self.free(index);
    }

    /// Whether what happens now counts.
    fn is_measured(&self) -> bool {
        let from = self.start + self.plan.warm_up;
        (from..from + self.plan.time).contains(&self.now)
    }

    fn leave(&mut self, index: usize) {
        let Slot::Staying(mut connection, _) = std::mem::replace(&mut self.slots[index], Slot::Free) else {
            return;
        };
        if self.plan.leave == Leave::Close {
            let step = connection.close(false, &mut self.wire);
            self.slots[index] = Slot::Closing(connection, self.now);
            return self.follow(index, step);
        }
        if self.plan.leave == Leave::Reset
            && let Some(fd) = connection.socket()
        {
            // It can only fail for what is no socket.
            let _ = socket::reset_on_close(fd);
        }
        drop(connection);
        self.free(index);
    }

    fn free(&mut self, index: usize) {
        self.slots[index] = Slot::Free;
        self.freed.push(index);
    }

    /// Has those leave whose time has come, all when it is over, and gives up waiting for servers that owe something too long.
    fn look_at_slots(&mut self, is_over: bool) {
        if self.now < self.next_tick && self.plan.stay.is_zero() {
            return;
        }
        self.next_tick = self.now + TICK;
        let mut next_leave: Option<Instant> = None;
        for index in 0..self.slots.len() {
            let timeouts = self.plan.timeouts;
            match &mut self.slots[index] {
                Slot::Staying(_, until) if is_over || *until <= self.now => self.leave(index),
                Slot::Staying(_, until) => {
                    next_leave = Some(next_leave.map_or(*until, |next| next.min(*until)))
                }
                Slot::Opening(connection, since) | Slot::Closing(connection, since) => {
                    let Some((_, patience)) = connection.waits(&timeouts) else { continue };
                    if self.now.saturating_duration_since(*since) >= patience {
                        let step = connection.time_out(&timeouts);
                        self.follow(index, step);
                    }
                }
                Slot::Free => {}
            }
        }
        if let Some(next) = next_leave {
            self.next_tick = self.next_tick.min(next);
        }
    }

    fn wake_at(&self, then: Instant) {
        // A timer that cannot be set leaves the tick, which is late and shows in the figures.
        let _ = self.timer.set(then.saturating_duration_since(Instant::now()));
    }
}
