//! A worker that is late sends fewer Pings.
//!
//! Pings can be more work than a worker has time for: a million connections and an interval of ten seconds mean a hundred thousand Pings a
//! second and as many Pongs. Dropping connections whose Pongs are late makes it worse, since each client reconnects with a handshake. So
//! when due timers have been late for a while, the interval of Pings is stretched, up to fourfold. Requests and messages are not affected.
//! When the worker is on time again, the interval shrinks.

use std::time::Duration;

use crate::budget::{LATE_FROM, MAX_PING_STRETCH, THROTTLE_STEP};

/// The value of `stretch`, which counts sixteenths of the interval, while the interval is not stretched.
const UNSTRETCHED: u32 = 16;
const MAX_STRETCH: u32 = UNSTRETCHED * MAX_PING_STRETCH;

/// The stretch of a worker's interval of Pings, which follows how late the worker handles due timers.
#[derive(Debug)]
pub(in crate::worker) struct PingThrottle {
    /// The time between Pings in sixteenths of an interval: 16 when it is not stretched.
    stretch: u32,
    /// The time since which every observed timer was late; `None` when the last one was on time.
    late_since: Option<Duration>,
    changed_at: Duration,
}

impl PingThrottle {
    pub(in crate::worker) const fn new(now: Duration) -> Self {
        Self { stretch: UNSTRETCHED, late_since: None, changed_at: now }
    }

    /// Notes by how much the first due timer is late. Returns `true` when the interval begins to be stretched.
    ///
    /// A single observation is not enough, however late: a process that was stopped catches up in a moment.
    pub(in crate::worker) fn observe(&mut self, now: Duration, lag: Duration) -> bool {
        if lag < LATE_FROM {
            self.late_since = None;
            let steps = now.saturating_sub(self.changed_at).as_millis() / THROTTLE_STEP.as_millis();
            if self.stretch > UNSTRETCHED && steps > 0 {
                let less = u32::try_from(steps).unwrap_or(MAX_STRETCH).saturating_mul(2);
                self.stretch = self.stretch.saturating_sub(less).max(UNSTRETCHED);
                self.changed_at = now;
            }
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        if now.saturating_sub(since.max(self.changed_at)) < THROTTLE_STEP {
            return false;
        }
        let begins = self.stretch == UNSTRETCHED;
        self.stretch = (self.stretch + self.stretch / 4).min(MAX_STRETCH);
        self.changed_at = now;
        begins
    }

    pub(in crate::worker) const fn postpones_pings(&self) -> bool {
        self.stretch > UNSTRETCHED
    }

    /// Returns the tick to which a Ping that is due at the tick `due` is postponed; `None` when it is sent now.
    pub(in crate::worker) fn postpone(&self, due: u32, tick: u32, interval: u32) -> Option<u32> {
        let more = u64::from(interval) * u64::from(self.stretch - UNSTRETCHED) / u64::from(UNSTRETCHED);
        let later = due.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        // One step at a time: by then the worker may be on time.
        (later > tick).then(|| later.min(tick.saturating_add((interval / 2).max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Observes the lag every 50 ms for `time`, and returns the time at the end.
    pub(in crate::worker) fn observe(
        throttle: &mut PingThrottle,
        from: Duration,
        time: Duration,
        lag: Duration,
    ) -> Duration {
        let mut now = from;
        while now < from + time {
            now += millis(50);
            throttle.observe(now, lag);
        }
        now
    }

    #[test]
    fn the_interval_is_stretched_step_by_step_and_fourfold_at_most() {
        let mut throttle = PingThrottle::new(Duration::ZERO);
        let mut now = observe(&mut throttle, millis(5_000), millis(1_000), LATE_FROM);
        assert_eq!(throttle.stretch, UNSTRETCHED, "late for less than a step");
        now = observe(&mut throttle, now, millis(100), LATE_FROM);
        assert_eq!(throttle.stretch, 20);
        now = observe(&mut throttle, now, millis(60_000), LATE_FROM);
        assert_eq!(throttle.stretch, MAX_STRETCH);
        now = observe(&mut throttle, now, millis(10_000), LATE_FROM - millis(1));
        assert!((40..=46).contains(&throttle.stretch), "{throttle:?}");
        observe(&mut throttle, now, millis(20_000), Duration::ZERO);
        assert_eq!(throttle.stretch, UNSTRETCHED);
    }

    #[test]
    fn a_stopped_process_is_not_late_when_it_continues() {
        let mut throttle = PingThrottle::new(Duration::ZERO);
        for stop in 1..100 {
            throttle.observe(millis(stop * 6_000), millis(6_000));
            throttle.observe(millis(stop * 6_000 + 200), millis(100));
        }
        assert_eq!(throttle.stretch, UNSTRETCHED);
    }

    #[test]
    fn a_ping_is_postponed_by_what_the_interval_is_stretched() {
        let mut throttle = PingThrottle::new(Duration::ZERO);
        assert_eq!(throttle.postpone(1_000, 1_000, 100), None);
        throttle.stretch = 2 * UNSTRETCHED;
        assert_eq!(throttle.postpone(1_000, 1_000, 100), Some(1_050));
        assert_eq!(throttle.postpone(1_000, 1_060, 100), Some(1_100));
        assert_eq!(throttle.postpone(1_000, 1_100, 100), None);
        throttle.stretch = MAX_STRETCH;
        assert_eq!(throttle.postpone(1_000, 1_299, 100), Some(1_300));
        assert_eq!(throttle.postpone(1_000, 1_300, 100), None);
        // The shortest interval.
        assert_eq!(throttle.postpone(1_000, 1_001, 1), Some(1_002));
    }
}
