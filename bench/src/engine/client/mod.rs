//! One thread's event loop.

mod counting;
mod echoing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::{Events, Poll, Token};

use super::compression::Codec;
use super::connection::{Connection, Ready, State, Step, dial};
use super::feed::Receipts;
use super::pings::PingCounts;
use super::shared::{Counts, Phase, Shared};
use super::target::Target;
use super::timer::Timer;
use super::wire::{Wire, reason};
use super::{Plan, wait};
use crate::measure::distribution::Distribution;

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections begun or closed in one iteration, so that those already open never wait long for their pongs.
const BUDGET: usize = 64;
/// How often deadlines and the phase are looked at when nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A thread of the engine.
pub(super) struct Client<'s> {
    plan: Arc<Plan>,
    shared: &'s Shared,
    thread: usize,
    /// Connections that are this thread's to open.
    share: usize,
    /// Most of them that may be opening, or closing, at the same time.
    in_flight: usize,
    poll: Poll,
    connections: Vec<Connection>,
    waiting: Vec<Waiting>,
    opening: usize,
    closing: usize,
    /// Connections before this one have been told to close.
    next_to_close: usize,
    phase: Phase,
    now: Instant,
    next_tick: Instant,
    counts: Counts,
    pings: PingCounts,
    latency: Distribution,
    /// Wakes the thread when a message is due, while some are to be sent at planned times.
    timer: Option<Timer>,
    wire: Wire,
}

/// A connection whose server owes it something.
struct Waiting {
    index: usize,
    state: State,
    since: Instant,
}

impl<'s> Client<'s> {
    pub(super) fn new(thread: usize, plan: Arc<Plan>, shared: &'s Shared) -> anyhow::Result<Self> {
        let threads = plan.threads.count;
        let share = plan.connections / threads + usize::from(thread < plan.connections % threads);
        let now = Instant::now();
        Ok(Self {
            shared,
            thread,
            share,
            in_flight: plan.in_flight.div_ceil(threads),
            poll: Poll::new().context("cannot make an epoll")?,
            connections: Vec::with_capacity(share),
            waiting: Vec::new(),
            opening: 0,
            closing: 0,
            next_to_close: 0,
            phase: Phase::Wait,
            now,
            next_tick: now,
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
            self.follow_phase()?;
            match self.phase {
                Phase::Abort => return Ok(()),
                Phase::Close => self.close_some(),
                Phase::Echo => self.echo_some()?,
                Phase::Wait | Phase::Ramp | Phase::Hold => self.connect_some(),
                Phase::Wake | Phase::Count => {}
            }
            self.publish();
            if self.phase == Phase::Close && self.counts.open == 0 && self.opening == 0 {
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

    fn follow_phase(&mut self) -> anyhow::Result<()> {
        let phase = self.shared.phase();
        if phase == self.phase {
            return Ok(());
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
                    if self.connections[index].is_opening() {
                        let step = self.connections[index].abandon();
                        self.count(index, step);
                    }
                }
            }
            Phase::Echo => self.start_echoing()?,
            Phase::Wake => self.wake_deaf(),
            Phase::Count => self.count_receipts(),
            Phase::Wait | Phase::Ramp | Phase::Abort => {}
        }
        Ok(())
    }

    /// How long to sleep at most.
    fn patience(&self) -> Duration {
        let until_tick = self.next_tick.saturating_duration_since(self.now);
        match self.phase {
            Phase::Close if self.next_to_close < self.connections.len() && self.closing < self.in_flight => {
                Duration::ZERO
            }
            Phase::Ramp if self.connections.len() < self.share && self.opening < self.in_flight => {
                until_tick.min(self.planned(self.connections.len()).saturating_duration_since(self.now))
            }
            Phase::Echo => until_tick.min(self.until_echoes()),
            _ => until_tick,
        }
    }

    /// When the connection with this index shall begin.
    fn planned(&self, index: usize) -> Instant {
        let Some(rate) = self.plan.rate else { return self.now };
        let number = (index * self.plan.threads.count + self.thread) as f64;
        self.shared.started() + Duration::from_secs_f64(number / rate)
    }

    fn connect_some(&mut self) {
        for _ in 0..BUDGET {
            let index = self.connections.len();
            if index >= self.share || self.opening >= self.in_flight {
                return;
            }
            let planned = self.planned(index);
            if planned > self.now {
                return;
            }
            // Without a rate the connection starts now, not at the start of the iteration.
            let planned = if self.plan.rate.is_some() { planned } else { Instant::now() };
            self.opening += 1;
            match self.connect(index, planned) {
                Ok(connection) => {
                    self.connections.push(connection);
                    self.waiting.push(Waiting { index, state: State::Connecting, since: self.now });
                }
                Err(reason) => {
                    self.connections.push(Connection::failed());
                    self.count(index, Step::Failed(reason));
                }
            }
        }
    }

    fn connect(&mut self, index: usize, planned: Instant) -> Result<Connection, String> {
        let number = self.number(index);
        let from = self.plan.sources.of(number);
        let to = target(&self.plan, number).address;
        let fd = dial(self.poll.registry(), Token(index), from, to)
            .map_err(|(doing, error)| reason(doing, &error))?;
        Ok(Connection::connecting(fd, planned, &mut self.wire))
    }

    /// Whether a connection is a subscriber that never reads.
    fn is_deaf(&self, index: usize) -> bool {
        self.plan.feed.as_ref().is_some_and(|feed| feed.is_deaf(self.number(index)))
    }

    /// The number of a connection in the whole engine, by which addresses are taken in turn.
    fn number(&self, index: usize) -> usize {
        index * self.plan.threads.count + self.thread
    }

    fn serve(&mut self, index: usize, ready: Ready) {
        // The timer's token is no connection's; that it woke the loop was all.
        if index >= self.connections.len() {
            return;
        }
        let number = self.number(index);
        if self.phase < Phase::Wake && self.is_deaf(index) && self.connections[index].is_open() {
            return;
        }
        let connection = &mut self.connections[index];
        self.wire.answered = 0;
        self.wire.index = index;
        self.wire.number = self.plan.numbers.of(number);
        let step = connection.ready(ready, target(&self.plan, number), self.plan.raw, &mut self.wire);
        let opened = matches!(step, Step::Opened(_));
        self.count_pings(index);
        self.count(index, step);
        if opened && !self.plan.raw {
            self.wire.answered = 0;
            let step = self.connections[index].greet(ready, &mut self.wire);
            self.count_pings(index);
            self.count(index, step);
        }
    }

    /// Has those who never read take what has come meanwhile: they have let its events pass.
    fn wake_deaf(&mut self) {
        for index in (0..self.connections.len()).filter(|&index| self.is_deaf(index)).collect::<Vec<_>>() {
            self.serve(index, Ready::ANYTHING);
        }
    }

    fn close_some(&mut self) {
        for _ in 0..BUDGET {
            let index = self.next_to_close;
            if index >= self.connections.len() || self.closing >= self.in_flight {
                return;
            }
            self.next_to_close += 1;
            if !self.connections[index].is_open() {
                continue;
            }
            self.closing += 1;
            self.waiting.push(Waiting { index, state: State::Open, since: self.now });
            // Who has never read has no end of the stream to wait for.
            let raw = self.plan.raw || self.is_deaf(index);
            let step = self.connections[index].close(raw, &mut self.wire);
            self.count(index, step);
        }
    }

    fn expire(&mut self) {
        if self.now < self.next_tick {
            return;
        }
        self.next_tick = self.now + TICK;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|wait| {
            let Some((state, patience)) = self.connections[wait.index].waits(&self.plan.timeouts) else {
                return false;
            };
            if state != wait.state {
                *wait = Waiting { index: wait.index, state, since: self.now };
            } else if self.now.saturating_duration_since(wait.since) >= patience {
                let step = self.connections[wait.index].time_out(&self.plan.timeouts);
                self.count(wait.index, step);
                return false;
            }
            true
        });
        self.waiting = waiting;
    }
}

fn target(plan: &Plan, number: usize) -> &Target {
    // Sources turn fastest; a destination is used with each of them before the next one is.
    &plan.targets[number / plan.sources.count() % plan.targets.len()]
}
