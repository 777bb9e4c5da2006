//! Handling of due timers: those of handshakes, Pings, Pongs and closes, one per connection; and those of incomplete messages.

use super::final_read::FinalRead;
use super::keepalive::{Keepalive, PongTimes, is_unanswered, pinged_at};
use super::sessions::{Flow, Sessions};
use crate::base::ticks::{tick_at, time_of};
use crate::budget::FINAL_READ_BYTES_PER_ITERATION;
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::app::notice::Notice;
use crate::worker::limits::PingPolicy;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::table::{ConnIndex, Flags, State, TimerKind};
use crate::ws::{CloseCode, CloseFrame, Opcode, encode};

/// The Close frame for a peer that does not complete a message in time.
const MESSAGE_TOO_LATE: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::POLICY_VIOLATION), reason: "the message took too long" };

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles connections with due timers. Returns `true` if some are left for the next iteration.
    pub(in crate::worker) fn expire_timers(&mut self) -> bool {
        self.observe_timer_lag();
        self.visits.meter.begin_iteration();
        let most = self.most_bytes_read();
        let most_pings = self.streams.counters.pings_sent.get() + self.limits.budgets.pings;
        for _ in 0..self.limits.budgets.expiries {
            let has_read_enough =
                self.streams.counters.bytes_in.get() >= most || self.visits.meter.is_iteration_spent();
            if has_read_enough || self.streams.counters.pings_sent.get() >= most_pings {
                break;
            }
            let Some((index, due)) = self.streams.table.expire(self.streams.tick) else { return false };
            let _ = self.on_timer(index, due);
        }
        true
    }

    /// Handles messages that have passed their deadlines. Returns `true` if some are left for the next iteration.
    pub(in crate::worker) fn expire_messages(&mut self) -> bool {
        self.visits.meter.begin_iteration();
        let most = self.most_bytes_read();
        for _ in 0..self.limits.budgets.expiries {
            if self.streams.counters.bytes_in.get() >= most || self.visits.meter.is_iteration_spent() {
                break;
            }
            let Some((index, due)) = self.streams.table.expire_message_timer(self.streams.tick) else {
                return false;
            };
            let _ = self.on_message_timer(index, due);
        }
        true
    }

    /// Returns the value of the counter `bytes_in` at which this phase stops and leaves the remaining timers to the next iteration.
    fn most_bytes_read(&self) -> u64 {
        self.streams.counters.bytes_in.get() + FINAL_READ_BYTES_PER_ITERATION
    }

    /// Handles a message whose deadline has passed.
    fn on_message_timer(&mut self, index: ConnIndex, due: u32) -> Flow {
        let read = self.final_read(index, TimerKind::Message, due);
        if read == FinalRead::Gone {
            return Flow::Gone;
        }
        let Streams { table, pool, .. } = &mut self.streams;
        let entry = table.entry_mut(index).filter(|(record, _)| record.state() == State::Open);
        let Some((_, Some(side))) = entry else { return Flow::Alive };
        // The message may be complete, and another one begun, with a deadline of its own; or its deadline is suspended.
        if !side.message.deadline.is_overdue() {
            return Flow::Alive;
        }
        if read == FinalRead::Incomplete {
            self.retry_final_read(index, TimerKind::Message, due);
            return Flow::Alive;
        }
        side.message.decoder.clear(pool);
        self.streams.table.clear_message_deadline(index);
        self.close_with(index, MESSAGE_TOO_LATE, Closed::MessageTimeout, State::Lingering);
        if self.flush_close(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.streams.free_side(index);
        Flow::Alive
    }

    fn on_timer(&mut self, index: ConnIndex, due: u32) -> Flow {
        let Some((before, awaits_peer)) = self.awaits_peer(index, due) else { return Flow::Gone };
        let mut state = before;
        if awaits_peer {
            // `is_unanswered` checks further input against this deadline.
            self.streams.table.postpone(index, due, self.streams.tick + 1);
            let read = self.final_read(index, TimerKind::Connection, due);
            if read == FinalRead::Gone {
                return Flow::Gone;
            }
            if self.streams.table.record_mut(index).timer.deadline() != Some(due) {
                // The input has armed another timer in its place.
                self.forget_final_read(index, TimerKind::Connection);
                return Flow::Alive;
            }
            if read == FinalRead::Incomplete
                && self.awaits_peer(index, due).is_some_and(|(_, awaits_peer)| awaits_peer)
            {
                // The timer stays armed: the tick of the Ping is computed from the timer's deadline.
                self.retry_final_read(index, TimerKind::Connection, due);
                return Flow::Alive;
            }
            self.streams.table.disarm(index);
            self.forget_final_read(index, TimerKind::Connection);
            state = self.streams.table.record_mut(index).state();
        }
        match state {
            State::Handshaking | State::KeptAlive
                if self.streams.extend_request_deadline(index, &self.limits) =>
            {
                Flow::Alive
            }
            State::KeptAlive if self.streams.outbox_len(index) == 0 => self.discard(index),
            State::Handshaking | State::KeptAlive => {
                self.streams.counters.handshake_timeouts.add(1);
                self.send_handshake_timeout_notice(index);
                self.discard(index)
            }
            State::Deciding => self.expire_decision(index),
            State::Open => self.keep_alive(index, due),
            State::Closing | State::Lingering if self.streams.extend_close_deadline(index, &self.limits) => {
                Flow::Alive
            }
            State::Closing | State::Lingering => {
                // A peer is not late if its Close arrived with the final read.
                self.streams.counters.close_timeouts.add(u64::from(state == before));
                self.discard(index)
            }
        }
    }

    /// Returns the state of a connection, and whether its peer has not done yet what it had to do by the deadline `due`.
    fn awaits_peer(&self, index: ConnIndex, due: u32) -> Option<(State, bool)> {
        let Self { streams: Streams { table, .. }, limits, keepalive: Keepalive { pong_times, .. }, .. } =
            self;
        let (record, side) = table.entry(index)?;
        let state = record.state();
        let is_unanswered = match state {
            State::Deciding => false,
            State::Open => {
                is_unanswered(record, pinged_at(record, side, due, *pong_times), limits.ping_policy)
            }
            _ => true,
        };
        Some((state, is_unanswered))
    }

    /// Schedules the first Ping. Clients that connected together do not get their Pings together. A client that has just connected gets
    /// none at once: its handshake is a sign of life.
    pub(in crate::worker) fn schedule_first_ping(&mut self, index: ConnIndex) {
        self.schedule_ping(index, self.streams.tick);
    }

    /// Arms the timer for the next Ping of a connection that was opened, got a Ping, or was last active at the tick `since`.
    pub(in crate::worker) fn schedule_ping(&mut self, index: ConnIndex, since: u32) {
        match self.keepalive.schedule {
            Some(schedule) => self.streams.table.arm(index, schedule.next(index, since)),
            None => self.streams.table.disarm(index),
        }
    }

    fn keep_alive(&mut self, index: ConnIndex, due: u32) -> Flow {
        let Some(schedule) = self.keepalive.schedule else { return Flow::Alive };
        let (tick, policy) = (self.streams.tick, self.limits.ping_policy);
        let Self { streams: Streams { table, .. }, keepalive: Keepalive { pong_times, .. }, .. } = self;
        let Some((record, side)) = table.entry_mut(index) else { return Flow::Gone };
        let last_seen = record.last_seen;
        let side = side.as_deref();
        let pinged = pinged_at(record, side, due, *pong_times);
        let has_late = side.is_some_and(|side| side.late_pong.is_some());
        let had_final_read = side.is_some_and(|side| side.final_reads.are_pending());
        let had_timer = record.flags.has(Flags::PONG_TIMER);
        record.flags.clear(Flags::PONG_TIMER);
        if is_unanswered(record, pinged, policy) {
            let PongTimes { first_check, deadline } = *pong_times;
            if had_timer && !has_late && first_check < deadline {
                // The next Ping would be due, but the Pong to this one still has time.
                self.streams.table.arm(index, due - first_check + deadline);
                return Flow::Alive;
            }
            return self.extend_pong_deadline_or_drop(index, pinged);
        }
        record.flags.clear(Flags::AWAIT_PONG);
        if had_final_read {
            // The input that the connection waited for has been read meanwhile.
            self.forget_final_read(index, TimerKind::Connection);
        }
        self.forget_late_pong(index);
        let next = match policy {
            PingPolicy::Always if had_timer || has_late => schedule.next(index, pinged),
            PingPolicy::Always => tick,
            PingPolicy::WhenIdle => schedule.next(index, last_seen),
        };
        if next > tick {
            self.streams.table.arm(index, next);
            return Flow::Alive;
        }
        if self.postpone_ping(index, due, schedule.interval()) {
            return Flow::Alive;
        }
        self.ping(index)
    }

    /// Sends a Ping. Its timer expires at the Pong's deadline, or when the next Ping would be due.
    fn ping(&mut self, index: ConnIndex) -> Flow {
        let (id, now) = (self.streams.table.id(index), self.streams.os.now());
        let record = self.streams.table.record_mut(index);
        record.flags.set(Flags::AWAIT_PONG | Flags::PONG_TIMER);
        let is_paused = record.flags.has(Flags::PAUSED);
        if is_paused {
            self.track_late_pong(index);
        }
        self.streams.counters.pings_sent.add(1);
        encode::frame(
            &mut self.streams.receive_buffer.reply_mut().bytes,
            Opcode::Ping,
            &self.keepalive.ping_signer.payload(id, now),
            None,
        );
        if self.flush_reply(index) == Flow::Gone || self.write_queued_to(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.await_pong(index, is_paused, tick_at(now));
        Flow::Alive
    }

    /// Arms the deadline of a Pong. Its Ping, of the tick `pinged`, has just left or joined output that is blocked. The Pong's time begins
    /// now: the process may have been stopped before.
    fn await_pong(&mut self, index: ConnIndex, is_paused: bool, pinged: u32) {
        let sent = tick_at(self.streams.os.now());
        let PongTimes { first_check, deadline } = self.keepalive.pong_times;
        if is_paused {
            return self.streams.table.arm(index, sent + deadline);
        }
        let time = if first_check < deadline && sent > pinged {
            // The first check would compute the deadline from the tick `pinged`, without the delay of sending.
            self.streams.table.record_mut(index).flags.clear(Flags::PONG_TIMER);
            deadline
        } else {
            first_check
        };
        self.streams.table.postpone(index, pinged + time, sent + time);
    }

    /// Restarts the deadline of a Pong, because its Ping waited behind other output and leaves only now.
    pub(in crate::worker) fn restart_pong_deadline(&mut self, index: ConnIndex) {
        let Self { streams: Streams { table, .. }, limits, keepalive: Keepalive { pong_times, .. }, .. } =
            self;
        let Some((record, side)) = table.entry(index) else { return };
        if record.state() == State::Open
            && let Some(due) = record.timer.deadline()
            && let pinged = pinged_at(record, side, due, *pong_times)
            && is_unanswered(record, pinged, limits.ping_policy)
            && self.note_ping_written(index, pinged)
        {
            self.streams
                .table
                .arm(index, tick_at(self.streams.os.now()) + self.keepalive.pong_times.deadline);
        }
    }

    /// Notes how late the first due timer is.
    pub(in crate::worker) fn observe_timer_lag(&mut self) {
        let Some(due) = self.streams.table.first_due(self.streams.tick) else { return };
        let lag = self.streams.now.saturating_sub(time_of(due));
        let begins = self.keepalive.throttle.observe(self.streams.now, lag);
        self.streams.postpones_pings = self.keepalive.throttle.postpones_pings();
        if begins && self.common.claim_late_notice() {
            self.common.notices.send(Notice::PostponesPings { worker: self.number, late_by: lag });
        }
    }

    /// Postpones a Ping that was first due at the tick `due`, if the worker is late, and arms its timer. Returns whether the Ping is
    /// postponed.
    pub(in crate::worker) fn postpone_ping(&mut self, index: ConnIndex, due: u32, interval: u32) -> bool {
        let Some(later) = self.keepalive.throttle.postpone(due, self.streams.tick, interval) else {
            return false;
        };
        self.streams.counters.pings_put_off.add(1);
        self.streams.table.postpone(index, due, later);
        true
    }
}
