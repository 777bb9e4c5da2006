//! One thread's event loop: visitors that come, stay a while and leave in their own ways.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token};

use super::population::Plan;
use super::shared::{self, Shared, Visits};
use super::slot::{Clock, Slot, Stage};
use super::visit::{Visit, Way};
use crate::engine::connection::{Connection, Ready, Step, dial};
use crate::engine::wait;
use crate::engine::wire::{Wire, reason};

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections begun, closed or left in one iteration, so that nobody's pongs wait long.
pub(super) const BUDGET: usize = 64;
/// How often visits are told and the stage is looked at when nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// A thread of the population.
pub(super) struct Client<'s> {
    pub(super) plan: Arc<Plan>,
    shared: &'s Shared,
    thread: usize,
    poll: Poll,
    pub(super) slots: Vec<Slot>,
    clock: Clock,
    /// Slots whose visitors would come if they could.
    queue: VecDeque<usize>,
    pub(super) opening: usize,
    pub(super) closing: usize,
    /// Nobody comes any more.
    ending: bool,
    /// Once it is ending: slots before this one have been told.
    pub(super) next_to_close: usize,
    /// Slots that are over.
    over: usize,
    now: Instant,
    next_tick: Instant,
    pub(super) visits: Visits,
    pub(super) wire: Wire,
}

impl<'s> Client<'s> {
    pub(super) fn new(thread: usize, plan: Arc<Plan>, shared: &'s Shared) -> anyhow::Result<Self> {
        let threads = plan.threads.count;
        let share = plan.slots / threads + usize::from(thread < plan.slots % threads);
        let now = Instant::now();
        let mut client = Self {
            shared,
            thread,
            poll: Poll::new().context("cannot make an epoll")?,
            slots: (0..share).map(|_| Slot::new(now)).collect(),
            clock: Clock::default(),
            queue: VecDeque::new(),
            opening: 0,
            closing: 0,
            ending: false,
            next_to_close: 0,
            over: 0,
            now,
            next_tick: now,
            visits: Visits::default(),
            wire: Wire::new(plan.habits.seed.wrapping_add(thread as u64)),
            plan,
        };
        for index in 0..share {
            let pause = client.visit(index).pause;
            client.enter(index, Stage::Away, pause);
        }
        Ok(client)
    }

    /// Runs until everybody has left after the end was called, or the population is aborted.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.now = Instant::now();
            match self.shared.stage() {
                shared::Stage::Churn => {}
                shared::Stage::Close => self.ending = true,
                shared::Stage::Abort => return Ok(()),
            }
            self.meet_deadlines();
            if self.ending {
                self.close_some();
            } else {
                self.open_some();
            }
            let is_over = self.over == self.slots.len();
            if is_over || self.now >= self.next_tick {
                self.next_tick = self.now + TICK;
                self.shared.publish(self.thread, &self.visits);
            }
            if is_over {
                return Ok(());
            }
            let patience = self.patience();
            wait(&mut self.poll, &mut events, patience)?;
            for event in &events {
                self.serve(event.token().0, Ready::from(event));
            }
        }
    }

    /// How long to sleep at most.
    fn patience(&self) -> Duration {
        let can_close = self.ending && self.next_to_close < self.slots.len();
        let can_open = !self.ending && !self.queue.is_empty() && self.opening < self.in_flight();
        if (can_close && self.closing < self.in_flight()) || can_open {
            return Duration::ZERO;
        }
        let until = self.clock.next().map_or(self.next_tick, |at| at.min(self.next_tick));
        until.saturating_duration_since(Instant::now())
    }

    /// Connections of this thread that may be opening, or closing at the end, at the same time.
    pub(super) fn in_flight(&self) -> usize {
        self.plan.in_flight.div_ceil(self.plan.threads.count)
    }

    /// The number of a slot in the whole population.
    fn number(&self, index: usize) -> usize {
        index * self.plan.threads.count + self.thread
    }

    /// What a slot's visitor, or its next one, is about.
    pub(super) fn visit(&self, index: usize) -> Visit {
        self.plan.habits.visit(self.number(index) as u64, self.slots[index].visit)
    }

    pub(super) fn enter(&mut self, index: usize, stage: Stage, time: Duration) {
        let deadline = self.now + time;
        let slot = &mut self.slots[index];
        (slot.stage, slot.deadline) = (stage, deadline);
        self.clock.note(index, deadline);
    }

    fn meet_deadlines(&mut self) {
        for _ in 0..BUDGET {
            let Some(index) = self.clock.due(self.now, &self.slots) else { return };
            match self.slots[index].stage {
                Stage::Away => {
                    self.slots[index].stage = Stage::Queued;
                    self.queue.push_back(index);
                }
                Stage::Open => self.begin_to_leave(index),
                Stage::Silent => self.end_silence(index),
                Stage::Opening | Stage::Closing => {
                    let timeouts = self.plan.timeouts;
                    let step = self.slots[index].connection.as_mut().map(|c| c.time_out(&timeouts));
                    self.count(index, step.unwrap_or(Step::Stay));
                }
                Stage::Queued | Stage::Over => {}
            }
        }
    }

    fn open_some(&mut self) {
        for _ in 0..BUDGET {
            if self.opening >= self.in_flight() {
                return;
            }
            let Some(index) = self.queue.pop_front() else { return };
            // Turns of addresses go on with each visit, so that ports rest between two uses.
            let from = self.plan.sources.of(self.number(index) + self.slots[index].visit as usize);
            match dial(self.poll.registry(), Token(index), from, self.plan.target.address) {
                Ok(fd) => {
                    let connection = Connection::connecting(fd, self.now, &mut self.wire);
                    self.slots[index].connection = Some(connection);
                    self.opening += 1;
                    let timeouts = self.plan.timeouts;
                    self.enter(index, Stage::Opening, timeouts.connect + timeouts.handshake);
                }
                Err((doing, error)) => {
                    let reasons =
                        if is_our_own(&error) { &mut self.visits.not_begun } else { &mut self.visits.failed };
                    reasons.count(reason(doing, &error));
                    self.note_begun(index);
                    self.go(index);
                }
            }
        }
    }

    fn serve(&mut self, index: usize, ready: Ready) {
        match self.slots[index].stage {
            Stage::Opening if self.visit(index).way == Way::MidHandshake => {
                if ready.is_writable() {
                    self.break_off_request(index);
                }
            }
            Stage::Opening | Stage::Open | Stage::Closing => {
                let Some(connection) = &mut self.slots[index].connection else { return };
                let step = connection.ready(ready, &self.plan.target, false, &mut self.wire);
                let opened = matches!(step, Step::Opened(_));
                self.count(index, step);
                if opened && let Some(connection) = &mut self.slots[index].connection {
                    let step = connection.greet(ready, &mut self.wire);
                    self.count(index, step);
                }
                self.visits.pings_answered += u64::from(std::mem::take(&mut self.wire.answered));
            }
            // Events of a connection that was dropped in this very iteration, or of one that is to be deaf.
            Stage::Away | Stage::Queued | Stage::Silent | Stage::Over => {}
        }
    }

    pub(super) fn count(&mut self, index: usize, step: Step) {
        match step {
            Step::Stay => {}
            Step::Opened(_) => {
                self.note_opening_over(index);
                self.visits.opened += 1;
                self.visits.here += 1;
                let life = self.visit(index).life;
                self.enter(index, Stage::Open, life);
            }
            Step::Failed(reason) => {
                self.note_opening_over(index);
                self.visits.failed.count(reason);
                self.go(index);
            }
            Step::Lost(reason) => {
                self.visits.here -= 1;
                self.visits.lost.count(reason);
                self.go(index);
            }
            Step::Closed => {
                self.closing -= 1;
                self.leave(index, Way::ClosingHandshake, false);
            }
            Step::Unclean(reason) => {
                self.closing -= 1;
                self.visits.here -= 1;
                self.visits.unclean.count(reason);
                self.go(index);
            }
        }
    }

    /// A connection has opened, or will not.
    pub(super) fn note_opening_over(&mut self, index: usize) {
        self.opening -= 1;
        self.note_begun(index);
    }

    fn note_begun(&mut self, index: usize) {
        self.visits.begun += u64::from(self.slots[index].visit == 0);
    }

    /// The slot is free for its next visitor.
    pub(super) fn go(&mut self, index: usize) {
        self.slots[index].connection = None;
        self.slots[index].visit += 1;
        if self.ending {
            self.end(index);
        } else {
            let pause = self.visit(index).pause;
            self.enter(index, Stage::Away, pause);
        }
    }

    pub(super) fn end(&mut self, index: usize) {
        self.slots[index].stage = Stage::Over;
        self.over += 1;
    }
}

/// Whether a connection could not be begun for want of something of this program's: ports, descriptors, memory.
fn is_our_own(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| [ENFILE, EMFILE, ENOSPC, ENOBUFS].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_lacks_is_told_from_what_the_server_refuses() {
        for code in [99, 24, 12] {
            assert!(is_our_own(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_our_own(&io::Error::from_raw_os_error(111)));
    }
}
