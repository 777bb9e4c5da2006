//! When peers get Pings, with which payload, and how long the server waits for their Pongs.

use std::time::Duration;

use super::ping::PingSigner;
use super::ping_schedule::PingSchedule;
use super::ping_throttle::PingThrottle;
use crate::base::ticks::{micros, tick_at, ticks};
use crate::metrics::Counters;
use crate::worker::limits::{Limits, PingPolicy};
use crate::worker::os::Os;
use crate::worker::table::{ConnId, Flags, Record, SideRecord, State};

/// State of the Pings of all connections of a worker.
pub(in crate::worker) struct Keepalive {
    /// The schedule of Pings; `None` when none are sent.
    pub(in crate::worker) schedule: Option<PingSchedule>,
    pub(in crate::worker) pong_times: PongTimes,
    pub(in crate::worker) ping_signer: PingSigner,
    pub(in crate::worker) throttle: PingThrottle,
}

impl Keepalive {
    pub(in crate::worker) fn new<O: Os>(limits: &Limits, os: &mut O, now: Duration) -> Self {
        Self {
            schedule: limits
                .ping_interval
                .map(|interval| PingSchedule::new(interval, (os.random() >> 32) as u32)),
            pong_times: PongTimes::of(limits),
            ping_signer: PingSigner::new(|| os.random()),
            throttle: PingThrottle::new(now),
        }
    }

    /// Counts a Pong if it answers the last Ping, and no Pong to that Ping has been counted. Returns whether the Pong was late; `None` if it
    /// does not count. On `Some`, the caller clears `AWAIT_PONG`, so that no second Pong counts.
    pub(in crate::worker) fn count_pong<O: Os, D>(
        &self,
        id: ConnId,
        payload: &[u8],
        record: &Record<O::Socket, D>,
        side: Option<&SideRecord>,
        (os, counters): (&O, &Counters),
    ) -> Option<bool> {
        if record.state() == State::Open
            && record.flags.has(Flags::AWAIT_PONG)
            && let Some(due) = record.timer.deadline()
            && let Some(sent) = self.ping_signer.sent_at(id, payload)
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
    /// Time to the first check for the Pong: its deadline, or when the next Ping would be due.
    pub(in crate::worker) first_check: u32,
    /// Time to the deadline: one tick more than the timeout, so that the Pong has all of it.
    pub(in crate::worker) deadline: u32,
}

impl PongTimes {
    pub(in crate::worker) fn of(limits: &Limits) -> Self {
        let deadline = ticks(limits.pong_timeout) + 1;
        Self { first_check: limits.ping_interval.map_or(u32::MAX, ticks).min(deadline), deadline }
    }
}

/// Returns the tick of the last Ping to an open connection that waits for a Pong. The connection's timer is due at the tick `due`. If there
/// is state of a late Pong, the tick is read from there. Otherwise it is `due` minus the time from the Ping to that timer.
pub(in crate::worker) fn pinged_at<S, D>(
    record: &Record<S, D>,
    side: Option<&SideRecord>,
    due: u32,
    times: PongTimes,
) -> u32 {
    if let Some(late) = side.and_then(|side| side.late_pong.as_deref()) {
        return late.pinged();
    }
    due.saturating_sub(if record.flags.has(Flags::PONG_TIMER) { times.first_check } else { times.deadline })
}

/// Returns whether the Ping of the tick `pinged` is still unanswered. Under `PingPolicy::Always` only a Pong answers it; under
/// `PingPolicy::WhenIdle` any input since then does.
pub(in crate::worker) fn is_unanswered<S, D>(record: &Record<S, D>, pinged: u32, policy: PingPolicy) -> bool {
    record.flags.has(Flags::AWAIT_PONG) && (policy == PingPolicy::Always || record.last_seen < pinged)
}
