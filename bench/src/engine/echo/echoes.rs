//! One thread's part of the messages: which connection sends what, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use throng::ws::{Opcode, encode};

use super::super::compression::Codec;
use super::echoed::Echoed;
use super::payload::Payload;
use super::run::EchoRun;
use crate::measure::distribution::micros;
use crate::measure::threads::dealt;

/// The connections of one thread that take part.
#[derive(Debug)]
pub(crate) struct Echoes {
    pub(super) run: Arc<EchoRun>,
    thread: usize,
    /// Connections by their index in the thread.
    pub(super) slots: Vec<Slot>,
    /// By the index of a connection its slot, `NONE` for those that do not take part.
    slot_of: Vec<u32>,
    /// With a rate: messages of this thread that have become due.
    due: u64,
    /// In a closed loop: slots that have been started.
    started: usize,
    /// When messages on their way were sent in a closed loop, in nanoseconds after the start: `depth` for each slot.
    pub(super) times: Vec<u64>,
    rng: fastrand::Rng,
    pub(super) echoed: Echoed,
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The connection's index in its thread.
    pub(super) index: usize,
    /// Messages planned so far; with a rate.
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// Bytes of the next echo that have come, on raw connections.
    pub(super) arrived: usize,
    /// Whether they are all as they were sent.
    pub(super) differs: bool,
    pub(super) is_gone: bool,
}

impl Echoes {
    /// The part of one of the engine's threads, which has so many connections; `open` are the indices of those that are open.
    pub(crate) fn new(run: Arc<EchoRun>, thread: usize, open: &[usize], connections: usize) -> Self {
        let plan = &run.plan;
        let share = dealt(plan.connections, run.threads, thread).min(open.len());
        let mut slot_of = vec![NONE; connections];
        let mut slots = Vec::with_capacity(share);
        for number in 0..share {
            let index = open[number * open.len() / share];
            slot_of[index] = u32::try_from(number).unwrap_or(NONE);
            slots.push(Slot { index, ..Slot::default() });
        }
        let depth = if plan.rate.is_none() { plan.depth as usize } else { 0 };
        Self {
            times: vec![0; share * depth],
            echoed: Echoed { connections: share as u64, ..Echoed::default() },
            slots,
            slot_of,
            due: 0,
            started: 0,
            rng: fastrand::Rng::with_seed(run.seed.wrapping_add(thread as u64)),
            run,
            thread,
        }
    }

    /// Bytes that a connection may have on their way, with their frames' headers.
    pub(crate) fn most_on_their_way(&self) -> usize {
        (self.run.plan.size + 14) * self.run.plan.depth as usize
    }

    /// The index of a connection that has messages to send at this time: [`write`](Self::write) them.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<usize> {
        if now < self.run.start || self.slots.is_empty() {
            return None;
        }
        if self.run.plan.rate.is_none() {
            let slot = self.slots.get(self.started).filter(|_| now < self.end())?;
            self.started += 1;
            return Some(slot.index);
        }
        let planned = self.next_planned()?;
        if planned > now {
            return None;
        }
        let slot = self.slot_at(self.due);
        self.due += 1;
        let slot = &mut self.slots[slot];
        slot.planned += 1;
        let (index, is_free) = (slot.index, slot.sent - slot.answered < u64::from(self.run.plan.depth));
        if is_free && planned >= self.measured_from() {
            self.echoed.behind_us = self.echoed.behind_us.max(micros(now - planned));
        }
        Some(index)
    }

    /// How long it is until connections are to be started in a closed loop. `None` when all have been.
    pub(crate) fn until_start(&self, now: Instant) -> Option<Duration> {
        let is_pending = self.run.plan.rate.is_none() && self.started < self.slots.len();
        is_pending.then(|| self.run.start.saturating_duration_since(now))
    }

    /// When the next message becomes due. `None` when none will of itself.
    pub(crate) fn next_planned(&self) -> Option<Instant> {
        let rate = self.run.plan.rate.filter(|_| !self.slots.is_empty())?;
        let planned = self.planned_at(self.due, rate);
        (planned < self.end()).then_some(planned)
    }

    /// Appends what a connection may send now, compressed where that was agreed on.
    pub(crate) fn write(&mut self, index: usize, mut codec: Option<&mut Codec>, output: &mut Vec<u8>) {
        let Some(slot) = self.slot(index) else { return };
        loop {
            let Slot { sent, answered, planned, is_gone, .. } = self.slots[slot];
            if is_gone || sent - answered >= u64::from(self.run.plan.depth) {
                return;
            }
            let time = match self.run.plan.rate {
                Some(_) if sent >= planned => return,
                Some(rate) => self.planned_at(self.number_in_thread(slot, sent), rate),
                None => {
                    let now = Instant::now();
                    if now >= self.end() {
                        return;
                    }
                    let at = self.time_at(slot, sent);
                    self.times[at] = u64::try_from((now - self.run.start).as_nanos()).unwrap_or(u64::MAX);
                    now
                }
            };
            self.echoed.sent += u64::from(time >= self.measured_from());
            let message = self.run.pattern.message(self.connection(slot), sent);
            if self.run.raw {
                output.extend_from_slice(message);
            } else {
                let (opcode, mask) = (self.opcode(), self.rng.u32(..).to_ne_bytes());
                let is_written = codec
                    .as_deref_mut()
                    .is_some_and(|codec| codec.write(index, opcode, message, mask, output));
                if !is_written {
                    encode::frame(output, opcode, message, Some(mask));
                }
            }
            self.slots[slot].sent += 1;
        }
    }

    pub(super) fn opcode(&self) -> Opcode {
        if self.run.plan.payload == Payload::Bytes { Opcode::Binary } else { Opcode::Text }
    }

    pub(super) fn measured_from(&self) -> Instant {
        self.run.start + self.run.plan.warm_up
    }

    pub(super) fn end(&self) -> Instant {
        self.measured_from() + self.run.plan.time
    }

    pub(super) fn slot(&self, index: usize) -> Option<usize> {
        self.slot_of.get(index).filter(|&&slot| slot != NONE).map(|&slot| slot as usize)
    }

    /// Connections have their turns one after the other.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of slots")]
    fn slot_at(&self, number: u64) -> usize {
        (number % self.slots.len() as u64) as usize
    }

    pub(super) fn number_in_thread(&self, slot: usize, sent: u64) -> u64 {
        sent * self.slots.len() as u64 + slot as u64
    }

    /// The planned time of a message by its number in the thread: threads take turns, too.
    pub(super) fn planned_at(&self, number: u64, rate: f64) -> Instant {
        // Threads beyond the number of connections have none.
        let threads = self.run.threads.min(self.run.plan.connections).max(1) as u64;
        let number = number * threads + self.thread as u64;
        self.run.start + Duration::from_secs_f64(number as f64 / rate)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the depth")]
    pub(super) fn time_at(&self, slot: usize, number: u64) -> usize {
        slot * self.run.plan.depth as usize + (number % u64::from(self.run.plan.depth)) as usize
    }

    /// A number of the connection in the whole engine.
    pub(super) fn connection(&self, slot: usize) -> usize {
        slot * self.run.threads + self.thread
    }
}
