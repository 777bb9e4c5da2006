//! When peers are pinged, with what, and for how long their Pongs are awaited.

use std::time::Duration;

use super::cadence::Cadence;
use super::lateness::Lateness;
use super::ping::Seal;
use crate::base::ticks::{micros, tick_at, ticks};
use crate::metrics::Counters;
use crate::worker::limits::{Limits, PingPolicy};
use crate::worker::os::Os;
use crate::worker::table::{ConnId, Flags, Record, Side, State};

/// What a worker keeps about the Pings of all its connections.
pub(in crate::worker) struct Keepalive {
    /// When connections are pinged; `None`: never.
    pub(in crate::worker) cadence: Option<Cadence>,
    pub(in crate::worker) pong_times: PongTimes,
    pub(in crate::worker) seal: Seal,
    pub(in crate::worker) lateness: Lateness,
}

impl Keepalive {
    pub(in crate::worker) fn new<O: Os>(limits: &Limits, os: &mut O, now: Duration) -> Self {
        Self {
            cadence: limits.ping_interval.map(|interval| Cadence::new(interval, (os.random() >> 32) as u32)),
            pong_times: PongTimes::of(limits),
            seal: Seal::new(|| os.random()),
            lateness: Lateness::new(now),
        }
    }

    /// Counts a Pong, if it answers the Ping that is out, which no other does then. Tells whether it was late.
    pub(in crate::worker) fn take_pong<O: Os, D>(
        &self,
        id: ConnId,
        payload: &[u8],
        record: &Record<O::Socket, D>,
        side: Option<&Side>,
        (os, counters): (&O, &Counters),
    ) -> Option<bool> {
        if record.state() == State::Open
            && record.flags.has(Flags::AWAIT_PONG)
            && let Some(due) = record.timer.deadline()
            && let Some(sent) = self.seal.sent(id, payload)
            && tick_at(sent) >= pinged_at(record, side, due, self.pong_times)
        {
            counters.pongs_received.add(1);
            counters.ping_rtt_us.record(micros(os.now().saturating_sub(sent)));
            return Some(side.is_some_and(|side| side.late_pong.is_some()));
        }
        None
    }
}

/// How long a Pong may take, in ticks from its Ping.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct PongTimes {
    /// Until the first look after it: its deadline, or when the next Ping would be due.
    pub(in crate::worker) first_check: u32,
    /// Until its deadline: one more than the time it has, so that it has all of it.
    pub(in crate::worker) deadline: u32,
}

impl PongTimes {
    pub(in crate::worker) fn of(limits: &Limits) -> Self {
        let deadline = ticks(limits.pong_timeout) + 1;
        Self { first_check: limits.ping_interval.map_or(u32::MAX, ticks).min(deadline), deadline }
    }
}

/// The tick of the Ping of an open connection whose Pong is awaited, and whose timer is due at the tick `due`. What is kept of a Ping that is
/// late tells it, or else that deadline, with which the timer was armed.
pub(in crate::worker) fn pinged_at<S, D>(
    record: &Record<S, D>,
    side: Option<&Side>,
    due: u32,
    times: PongTimes,
) -> u32 {
    if let Some(late) = side.and_then(|side| side.late_pong.as_deref()) {
        return late.pinged();
    }
    due.saturating_sub(if record.flags.has(Flags::PONG_TIMER) { times.first_check } else { times.deadline })
}

/// Whether nothing has answered the Ping of the tick `pinged` that the policy takes for an answer.
pub(in crate::worker) fn is_awaited<S, D>(record: &Record<S, D>, pinged: u32, policy: PingPolicy) -> bool {
    record.flags.has(Flags::AWAIT_PONG) && (policy == PingPolicy::Always || record.last_seen < pinged)
}
