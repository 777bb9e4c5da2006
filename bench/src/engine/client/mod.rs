//! One thread's event loop.

mod counting;
mod echoing;
mod leaving;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token};

use super::compression::Codec;
use super::connection::{Connection, Ready, State, Step};
use super::deadlines::Deadlines;
use super::dial::dial;
use super::feed::Receipts;
use super::pings::PingCounts;
use super::plan::Plan;
use super::shared::{Counts, Phase, Shared};
use super::timer::Timer;
use super::visits::{End, Next, Request, Slot, Turn, Visits};
use super::wire::{Wire, reason};
use crate::measure::distribution::Distribution;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections begun or closed in one iteration, so that those already open never wait long for their pongs.
const BUDGET: usize = 64;
/// How often timeouts and the phase are looked at when nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// The timer's token: no connection has that index.
const TIMER: Token = Token(usize::MAX);

/// A thread of the engine.
pub(super) struct Client<'s, V: Visits> {
    plan: Arc<Plan>,
    shared: &'s Shared<V::Tally>,
    thread: usize,
    /// Most connections of this thread that may be opening, or closing, at the same time.
    in_flight: usize,
    visits: V,
    poll: Poll,
    connections: Vec<Connection>,
    waiting: Vec<Waiting>,
    /// Whether a slot has become free since `waiting` was looked through.
    has_freed: bool,
    deadlines: Deadlines,
    /// Connections that have begun and not ended.
    here: usize,
    opening: usize,
    closing: usize,
    /// Connections before this one have been told to close.
    next_to_close: usize,
    phase: Phase,
    now: Instant,
    next_tick: Instant,
    /// When the next connection begins; `None` when another one must end before.
    next_begin: Option<Instant>,
    counts: Counts,
    pings: PingCounts,
    latency: Distribution,
    /// Wakes the thread when a connection is to begin or a message is due at a planned time.
    timer: Option<Timer>,
    wire: Wire,
}

/// A connection whose server owes it something.
struct Waiting {
    index: usize,
    state: State,
    since: Instant,
}

impl<'s, V: Visits> Client<'s, V> {
    pub(super) fn new(
        thread: usize,
        plan: Arc<Plan>,
        visits: V,
        shared: &'s Shared<V::Tally>,
    ) -> anyhow::Result<Self> {
        let (threads, share) = (plan.threads.count, plan.share(thread));
        let now = Instant::now();
        Ok(Self {
            shared,
            thread,
            in_flight: plan.in_flight.div_ceil(threads),
            visits,
            poll: Poll::new().context("cannot make an epoll")?,
            connections: Vec::with_capacity(share),
            waiting: Vec::new(),
            has_freed: false,
            deadlines: Deadlines::default(),
            here: 0,
            opening: 0,
            closing: 0,
            next_to_close: 0,
            phase: Phase::Wait,
            now,
            next_tick: now,
            next_begin: None,
            counts: Counts::default(),
            pings: PingCounts::default(),
            latency: Distribution::default(),
            timer: None,
            wire: Wire {
                sample_key: plan.sample_key,
                codec: plan.compression.clone().map(|compression| Box::new(Codec::new(compression))),
                receipts: plan.feed.clone().map(|feed| Box::new(Receipts::new(feed, thread, threads, share))),
                ..Wire::new(plan.seed.wrapping_add(thread as u64))
            },
            plan,
        })
    }

    /// Runs until all connections are closed, or the engine is aborted.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.now = Instant::now();
            self.follow_phase();
            self.meet_deadlines();
            match self.phase {
                Phase::Abort => return Ok(()),
                Phase::Close => self.close_some(),
                Phase::Echo => self.echo_some()?,
                Phase::Wait | Phase::Ramp | Phase::Hold => self.begin_some()?,
                Phase::Wake | Phase::Count => {}
            }
            let is_over = self.phase == Phase::Close && self.here == 0;
            self.publish(is_over);
            if is_over {
                return Ok(());
            }
            let patience = self.patience();
            wait(&mut self.poll, &mut events, patience)?;
            for event in &events {
                self.serve(event.token().0, Ready::from(event));
            }
            self.expire();
        }
    }

    fn turn(&self) -> Turn {
        Turn { now: self.now, started: self.shared.started(), is_ending: self.phase >= Phase::Close }
    }

    fn follow_phase(&mut self) {
        let phase = self.shared.phase();
        if phase == self.phase {
            return;
        }
        self.phase = phase;
        match phase {
            Phase::Hold => {
                let mut open = 0;
                for connection in self.connections.iter_mut().filter(|connection| connection.is_open()) {
                    connection.pings = 0;
                    open += 1;
                }
                self.pings.restart(open);
            }
            Phase::Close => {
                self.hand_over_opening();
                for index in 0..self.connections.len() {
                    if self.connections[index].is_opening() && !self.deadlines.is_silent(index) {
                        let reason = self.connections[index].abandon();
                        self.fail(index, reason, End::GivenUp);
                    }
                }
            }
            Phase::Echo => self.start_echoing(),
            Phase::Wake => self.wake_deaf(),
            Phase::Count => self.count_receipts(),
            Phase::Wait | Phase::Ramp | Phase::Abort => {}
        }
    }

    /// How long to sleep at most.
    fn patience(&self) -> Duration {
        let deadline = self.deadlines.next().map_or(self.next_tick, |at| at.min(self.next_tick));
        let until = deadline.saturating_duration_since(self.now);
        match self.phase {
            Phase::Close if self.next_to_close < self.connections.len() && self.closing < self.in_flight => {
                Duration::ZERO
            }
            Phase::Ramp | Phase::Hold => {
                self.next_begin.map_or(until, |begin| until.min(begin.saturating_duration_since(self.now)))
            }
            Phase::Echo => until.min(self.until_echoes()),
            _ => until,
        }
    }

    fn begin_some(&mut self) -> anyhow::Result<()> {
        let before = self.next_begin.take();
        for _ in 0..BUDGET {
            if self.opening >= self.in_flight {
                return Ok(());
            }
            match self.visits.next(&self.turn()) {
                Next::Begin { slot, planned } => self.begin(slot, planned),
                Next::At(at) => {
                    self.next_begin = Some(at);
                    return if before == Some(at) { Ok(()) } else { self.wake_at(at) };
                }
                Next::Nothing => return Ok(()),
            }
        }
        self.next_begin = Some(self.now);
        Ok(())
    }

    /// epoll's own timeout would wake the thread up to a millisecond late.
    fn wake_at(&mut self, then: Instant) -> anyhow::Result<()> {
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => Timer::new(self.poll.registry(), TIMER)?,
        };
        timer.set(then.saturating_duration_since(Instant::now()))?;
        self.timer = Some(timer);
        Ok(())
    }

    fn begin(&mut self, slot: Slot, planned: Option<Instant>) {
        let index = slot.index();
        if index >= self.connections.len() {
            self.connections.resize_with(index + 1, Connection::failed);
        } else if std::mem::take(&mut self.has_freed) {
            // What the slot's connections before waited for is not for this one.
            let (connections, timeouts) = (&self.connections, &self.plan.timeouts);
            self.waiting.retain(|wait| connections[wait.index].waits(timeouts).is_some());
        }
        self.here += 1;
        self.opening += 1;
        // Without a rate the connection starts now, not at the start of the iteration.
        let planned = planned.unwrap_or_else(Instant::now);
        let number = self.visits.number(slot);
        let (from, to) = (self.plan.sources.of(number), self.plan.target(number).address);
        match dial(self.poll.registry(), Token(index), from, to) {
            Ok(fd) => {
                self.connections[index] = Connection::connecting(fd, planned, &mut self.wire);
                self.waiting.push(Waiting { index, state: State::Connecting, since: self.now });
            }
            Err((doing, error)) => {
                let reason = reason(doing, &error);
                self.fail(index, &reason, End::NotBegun(&error, &reason));
            }
        }
    }

    /// The number of a connection in the whole engine, by which addresses are taken in turn.
    fn number(&self, index: usize) -> usize {
        self.visits.number(Slot::of(index))
    }

    /// Whether a connection is a subscriber that never reads.
    fn is_deaf(&self, index: usize) -> bool {
        self.plan.feed.as_ref().is_some_and(|feed| feed.is_deaf(self.number(index)))
    }

    fn serve(&mut self, index: usize, ready: Ready) {
        // The timer's token is no connection's; that it woke the loop was all.
        if index >= self.connections.len() || self.deadlines.is_silent(index) {
            return;
        }
        let number = self.number(index);
        if self.phase < Phase::Wake && self.is_deaf(index) && self.connections[index].is_open() {
            return;
        }
        if self.connections[index].is_connecting()
            && ready.is_writable()
            && let Request::Part { share, time, then } = self.visits.request(Slot::of(index))
        {
            return self.break_off(index, share, time, then);
        }
        let connection = &mut self.connections[index];
        self.wire.answered = 0;
        self.wire.index = index;
        self.wire.number = self.plan.numbers.of(number);
        let step = connection.ready(ready, self.plan.target(number), self.plan.raw, &mut self.wire);
        let opened = matches!(step, Step::Opened(_));
        self.count_pings(index);
        self.count(index, step);
        if opened && !self.plan.raw {
            self.wire.answered = 0;
            let step = self.connections[index].greet(ready, &mut self.wire);
            self.count_pings(index);
            self.count(index, step);
        }
        if opened && self.deadlines.is_due(index, self.now) {
            self.leave(index);
        }
    }

    /// Has those who never read take what has come meanwhile: they have let its events pass.
    fn wake_deaf(&mut self) {
        for index in (0..self.connections.len()).filter(|&index| self.is_deaf(index)).collect::<Vec<_>>() {
            self.serve(index, Ready::ANYTHING);
        }
    }

    fn expire(&mut self) {
        if self.now < self.next_tick {
            return;
        }
        self.next_tick = self.now + TICK;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|wait| {
            let index = wait.index;
            let Some((state, patience)) = self.connections[index].waits(&self.plan.timeouts) else {
                return false;
            };
            if state != wait.state {
                *wait = Waiting { index, state, since: self.now };
            } else if self.deadlines.is_silent(index) {
                return false;
            } else if self.now.saturating_duration_since(wait.since) >= patience {
                let step = self.connections[index].time_out(&self.plan.timeouts);
                self.count(index, step);
                return false;
            }
            true
        });
        self.waiting = waiting;
    }
}

/// Waits for events, for some time at most. A signal in between is no error.
fn wait(poll: &mut Poll, events: &mut Events, patience: Duration) -> anyhow::Result<()> {
    match poll.poll(events, Some(patience)) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => {
            Err(error).context("cannot wait for events")
        }
        _ => Ok(()),
    }
}
