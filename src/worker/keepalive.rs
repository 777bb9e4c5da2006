//! When peers are pinged, with what, and for how long their Pongs are awaited.

use std::time::Duration;

use super::cadence::Cadence;
use super::lateness::Lateness;
use super::limits::Limits;
use super::os::Os;
use super::ping::Seal;
use super::timers::PongTimes;

/// What a worker keeps about the Pings of all its connections.
pub(super) struct Keepalive {
    /// When connections are pinged; `None`: never.
    pub(super) cadence: Option<Cadence>,
    pub(super) pong_times: PongTimes,
    pub(super) seal: Seal,
    pub(super) lateness: Lateness,
}

impl Keepalive {
    pub(super) fn new<O: Os>(limits: &Limits, os: &mut O, now: Duration) -> Self {
        Self {
            cadence: limits.ping_interval.map(|interval| Cadence::new(interval, (os.random() >> 32) as u32)),
            pong_times: PongTimes::of(limits),
            seal: Seal::new(|| os.random()),
            lateness: Lateness::new(now),
        }
    }
}
