//! What is due: handshakes, Pings, Pongs and closes, one timer a connection; and messages that have begun.

use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::late_pong::LatePong;
use super::limits::{Limits, PingPolicy};
use super::os::Os;
use super::record::{Flags, Record, Side, State};
use super::ticks::{deadline, ticks};
use crate::budget::EXPIRIES_PER_ITERATION;
use crate::ws::{CloseCode, CloseFrame, Opcode, encode};

/// What a peer is told whose message does not come to its end.
const TOO_LONG: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::POLICY_VIOLATION), reason: "the message took too long" };

impl<O: Os, H: Handler> Worker<O, H> {
    pub(super) fn expire_timers(&mut self) {
        for _ in 0..EXPIRIES_PER_ITERATION {
            let Some((index, due)) = self.wheel.expire(&mut self.table, self.tick) else { return };
            let _ = self.on_timer(index, due);
        }
        self.unfinished = true;
    }

    /// Looks after messages that have begun and not ended. By the time of this phase all that has arrived is read.
    pub(super) fn expire_messages(&mut self) {
        for _ in 0..EXPIRIES_PER_ITERATION {
            let Some((at, _)) = self.message_wheel.expire(&mut self.sides, self.tick) else { return };
            let Some(index) = self.sides.get(at as usize).map(Side::owner) else { continue };
            let record = self.record_mut(index);
            if record.flags.has(Flags::PAUSED | Flags::REVISIT) {
                // It is us who do not read.
                self.arm_message_timer(index);
            } else if record.state == State::Open {
                let Self { sides, pool, .. } = self;
                sides.get_mut(at as usize).into_iter().for_each(|side| side.decoder.clear(pool));
                self.close_with(index, TOO_LONG, Closed::MessageTimeout, State::Finishing);
                if self.flush_close(index) == Flow::Alive {
                    self.free_side(index);
                }
            }
        }
        self.unfinished = true;
    }

    /// Gives a message that has begun its time from now on.
    pub(super) fn arm_message_timer(&mut self, index: u32) {
        let Some(timeout) = self.limits.message_timeout else { return };
        let side = self.record_mut(index).side.index();
        if let Some(at) = side.and_then(|at| u32::try_from(at).ok()) {
            self.message_wheel.arm(&mut self.sides, at, deadline(self.now, timeout));
        }
    }

    /// No message is under way any more.
    pub(super) fn forget_message_timer(&mut self, index: u32) {
        let side = self.table.get(index as usize).and_then(|record| record.side.index());
        if let Some(at) = side.and_then(|at| u32::try_from(at).ok()) {
            self.message_wheel.disarm(&mut self.sides, at);
        }
    }

    fn on_timer(&mut self, index: u32, due: u32) -> Flow {
        match self.record_mut(index).state {
            State::Handshaking => {
                self.counters.handshake_timeouts.add(1);
                self.discard(index)
            }
            State::Open => self.keep_alive(index, due),
            State::Closing | State::Finishing => {
                self.counters.close_timeouts.add(1);
                self.discard(index)
            }
        }
    }

    /// Clients that came together are not pinged together, and one that has just come, which is as good as a Pong, is not pinged at
    /// once.
    pub(super) fn schedule_first_ping(&mut self, index: u32) {
        match self.cadence {
            Some(cadence) => self.arm(index, cadence.next(index, self.tick)),
            None => self.wheel.disarm(&mut self.table, index),
        }
    }

    fn keep_alive(&mut self, index: u32, due: u32) -> Flow {
        let Some(cadence) = self.cadence else { return Flow::Alive };
        let (tick, policy) = (self.tick, self.limits.ping_policy);
        let patience = pong_ticks(&self.limits);
        let Self { table, sides, limits, .. } = self;
        let Some(record) = table.get_mut(index as usize) else { return Flow::Gone };
        let last_seen = record.last_seen;
        let late = record.side.index().and_then(|side| sides.get(side)?.late_pong.as_deref());
        let pinged = late.map_or_else(|| pinged_by(due, record.flags, limits), LatePong::pinged);
        let has_late = late.is_some();
        let had_timer = record.flags.has(Flags::PONG_TIMER);
        record.flags.clear(Flags::PONG_TIMER);
        if is_awaited(record, pinged, policy) {
            let first_look = first_look(limits);
            if had_timer && !has_late && first_look < patience {
                // The next Ping would be due, but this one still has time.
                self.arm(index, due - first_look + patience);
                return Flow::Alive;
            }
            return self.await_longer(index, pinged);
        }
        record.flags.clear(Flags::AWAIT_PONG);
        self.forget_late_pong(index);
        let next = match policy {
            PingPolicy::Always if had_timer || has_late => cadence.next(index, pinged),
            PingPolicy::Always => tick,
            PingPolicy::WhenIdle => cadence.next(index, last_seen),
        };
        if next > tick {
            self.arm(index, next);
            return Flow::Alive;
        }
        self.ping(index)
    }

    /// Sends a Ping, and looks after its Pong when its time is up, or when the next Ping would be due.
    fn ping(&mut self, index: u32) -> Flow {
        let (id, now) = (self.id(index), self.os.now());
        let record = self.record_mut(index);
        record.flags.set(Flags::AWAIT_PONG | Flags::PONG_TIMER);
        if record.flags.has(Flags::PAUSED) {
            self.expect_late_pong(index);
            self.arm(index, self.tick + pong_ticks(&self.limits));
        } else {
            self.arm(index, self.tick + first_look(&self.limits));
        }
        self.counters.pings_sent.add(1);
        encode::frame(&mut self.reply.bytes, true, Opcode::Ping, &self.seal.payload(id, now), None);
        self.flush_reply(index)
    }

    /// A Ping that waited behind other output leaves only now, and its Pong has its time from now on.
    pub(super) fn extend_pong_deadline(&mut self, index: u32) {
        let Self { table, sides, limits, .. } = self;
        let Some(record) = table.get(index as usize) else { return };
        let side = record.side.index().and_then(|side| sides.get(side));
        if let Some(pinged) = pinged_at(record, side, limits)
            && is_awaited(record, pinged, limits.ping_policy)
            && self.release_late_pong(index, pinged)
        {
            self.arm(index, self.tick + pong_ticks(&self.limits));
        }
    }
}

/// The tick of the Ping of an open connection whose Pong is awaited.
pub(super) fn pinged_at<S, D>(record: &Record<S, D>, side: Option<&Side>, limits: &Limits) -> Option<u32> {
    if record.state != State::Open || !record.flags.has(Flags::AWAIT_PONG) {
        return None;
    }
    let late = side.and_then(|side| side.late_pong.as_deref());
    late.map(LatePong::pinged).or_else(|| Some(pinged_by(record.timer.deadline()?, record.flags, limits)))
}

/// The same by when the timer is due that was armed with it: nothing else is kept of it.
fn pinged_by(due: u32, flags: Flags, limits: &Limits) -> u32 {
    due.saturating_sub(if flags.has(Flags::PONG_TIMER) { first_look(limits) } else { pong_ticks(limits) })
}

/// Whether nothing has answered the Ping of the tick `pinged` that the policy takes for an answer.
fn is_awaited<S, D>(record: &Record<S, D>, pinged: u32, policy: PingPolicy) -> bool {
    record.flags.has(Flags::AWAIT_PONG) && (policy == PingPolicy::Always || record.last_seen < pinged)
}

/// Ticks from a Ping to the first look after its Pong.
fn first_look(limits: &Limits) -> u32 {
    limits.ping_interval.map_or(u32::MAX, ticks).min(pong_ticks(limits))
}

/// Ticks from a Ping to the deadline of its Pong: one more than the time it has, so that it has all of it.
pub(super) fn pong_ticks(limits: &Limits) -> u32 {
    ticks(limits.pong_timeout) + 1
}
