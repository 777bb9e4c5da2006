//! What is due: handshakes, Pings, Pongs and closes, one timer a connection; and messages that have begun.

use std::time::Duration;

use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::limits::{Limits, PingPolicy};
use super::os::Os;
use super::record::{Flags, Side, State};
use super::ticks::{deadline, micros, ticks};
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

    /// The first Ping comes at a random time in the second half of the interval: clients that came together are not pinged
    /// together, and one that has just come, which is as good as a Pong, is not pinged at once.
    pub(super) fn schedule_first_ping(&mut self, index: u32) {
        let Some(interval) = self.limits.ping_interval.map(ticks) else {
            return self.wheel.disarm(&mut self.table, index);
        };
        let delay = interval - self.draw_below(interval.div_ceil(2));
        // As if the peer had been silent since the interval's start: the policy for idle peers looks at that.
        let seen = self.tick.saturating_sub(interval - delay);
        self.record_mut(index).last_seen = seen;
        self.arm(index, self.tick + delay);
    }

    fn keep_alive(&mut self, index: u32, due: u32) -> Flow {
        let Some(interval) = self.limits.ping_interval.map(ticks) else { return Flow::Alive };
        let patience = pong_ticks(&self.limits);
        let first_look = patience.min(interval);
        let (tick, policy) = (self.tick, self.limits.ping_policy);
        let record = self.record_mut(index);
        let (flags, last_seen) = (record.flags, record.last_seen);
        record.flags.clear(Flags::PONG_TIMER);
        if flags.has(Flags::AWAIT_PONG) {
            // While its output is stuck it is not read from, so its Pong cannot be seen; progress is the sign of life then.
            let lives = flags.has(Flags::PAUSED) && last_seen.saturating_add(patience) > tick;
            let deadline = match flags.has(Flags::PONG_TIMER) {
                // The next Ping would be due, but this one still has time.
                true if first_look < patience => due - first_look + patience,
                _ if lives => last_seen + patience,
                _ => return self.drop_connection(index, Closed::PongTimeout),
            };
            self.arm(index, deadline);
            return Flow::Alive;
        }
        let next = match policy {
            PingPolicy::Always if flags.has(Flags::PONG_TIMER) => due - first_look + interval,
            PingPolicy::Always => tick,
            // Up to half an interval early: clients that all answered the same broadcast must not all be pinged together.
            PingPolicy::WhenIdle if tick.saturating_sub(last_seen) < interval => {
                last_seen + interval - self.draw_below(interval / 2)
            }
            PingPolicy::WhenIdle => tick,
        };
        if next > tick {
            self.arm(index, next);
            return Flow::Alive;
        }
        self.ping(index, tick + first_look)
    }

    /// Sends a Ping, and looks after its Pong at `next_look`: when its time is up, or when the next Ping would be due.
    fn ping(&mut self, index: u32, next_look: u32) -> Flow {
        self.record_mut(index).flags.set(Flags::AWAIT_PONG | Flags::PONG_TIMER);
        self.arm(index, next_look);
        self.counters.pings_sent.add(1);
        let payload = (micros(self.os.now()) ^ self.ping_key).to_be_bytes();
        encode::frame(&mut self.reply.bytes, true, Opcode::Ping, &payload, None);
        self.flush_reply(index)
    }

    /// A Ping that waited behind other output leaves only now, and its Pong has its time from now on.
    pub(super) fn extend_pong_deadline(&mut self, index: u32) {
        let Some(interval) = self.limits.ping_interval.map(ticks) else { return };
        let next_look = self.tick + pong_ticks(&self.limits).min(interval);
        let record = self.record_mut(index);
        if record.state == State::Open && record.flags.has(Flags::AWAIT_PONG) {
            record.flags.set(Flags::PONG_TIMER);
            self.arm(index, next_look);
        }
    }

    /// A number below `bound`, or 0 for no bound.
    fn draw_below(&mut self, bound: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "below 2^32")]
        {
            (self.os.random() % u64::from(bound.max(1))) as u32
        }
    }
}

/// Microseconds since a Ping of ours was sent, from its Pong's payload. `None` for a Pong that answers none of ours: those may
/// come unasked (RFC 6455, section 5.5.3) and mean nothing.
pub(super) fn round_trip(payload: &[u8], now: Duration, key: u64, limits: &Limits) -> Option<u64> {
    let sent = u64::from_be_bytes(payload.try_into().ok()?) ^ key;
    let rtt = micros(now).checked_sub(sent)?;
    // A Pong may come late and be read later; ten times the time it has is no answer any more.
    (u128::from(rtt) <= 10 * limits.pong_timeout.as_micros()).then_some(rtt)
}

/// Ticks from a Ping to the deadline of its Pong: one more than the time it has, so that it has all of it.
fn pong_ticks(limits: &Limits) -> u32 {
    ticks(limits.pong_timeout) + 1
}
