//! A worker that is late sends fewer Pings.
//!
//! Pings can be more work than a worker has time for: a million connections and an interval of ten seconds mean a hundred thousand Pings a
//! second and as many Pongs. Dropping connections whose Pongs are late makes it worse, since each client reconnects with a handshake. So
//! when due timers have been late for a while, the interval of Pings is stretched, up to fourfold. Requests and messages are not affected.
//! When the worker is on time again, the interval shrinks.

use std::time::Duration;

use crate::budget::{LATE, LATENESS_STEP, MOST_STRETCH};

/// The stretch of an interval that is not stretched: `stretch` counts sixteenths of the interval.
const WHOLE: u32 = 16;
const MOST: u32 = WHOLE * MOST_STRETCH;

/// How late a worker is, and how far its interval of Pings is stretched.
#[derive(Debug)]
pub(in crate::worker) struct Lateness {
    /// The time between Pings in sixteenths of an interval: 16 when it is not stretched.
    stretch: u32,
    /// The time since which every observed timer was late; `None` when the last one was on time.
    late_since: Option<Duration>,
    changed_at: Duration,
}

impl Lateness {
    pub(in crate::worker) const fn new(now: Duration) -> Self {
        Self { stretch: WHOLE, late_since: None, changed_at: now }
    }

    /// Notes by how much the first due timer is late. Returns `true` when the interval begins to be stretched.
    ///
    /// A single observation is not enough, however late: a process that was stopped catches up in a moment.
    pub(in crate::worker) fn observe(&mut self, now: Duration, lag: Duration) -> bool {
        if lag < LATE {
            self.late_since = None;
            let steps = now.saturating_sub(self.changed_at).as_millis() / LATENESS_STEP.as_millis();
            if self.stretch > WHOLE && steps > 0 {
                let less = u32::try_from(steps).unwrap_or(MOST).saturating_mul(2);
                self.stretch = self.stretch.saturating_sub(less).max(WHOLE);
                self.changed_at = now;
            }
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        if now.saturating_sub(since.max(self.changed_at)) < LATENESS_STEP {
            return false;
        }
        let begins = self.stretch == WHOLE;
        self.stretch = (self.stretch + self.stretch / 4).min(MOST);
        self.changed_at = now;
        begins
    }

    pub(in crate::worker) const fn puts_pings_off(&self) -> bool {
        self.stretch > WHOLE
    }

    /// Returns the tick to which a Ping that is due at the tick `due` is put off; `None` when it is sent now.
    pub(in crate::worker) fn put_off(&self, due: u32, tick: u32, interval: u32) -> Option<u32> {
        let more = u64::from(interval) * u64::from(self.stretch - WHOLE) / u64::from(WHOLE);
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
        lateness: &mut Lateness,
        from: Duration,
        time: Duration,
        lag: Duration,
    ) -> Duration {
        let mut now = from;
        while now < from + time {
            now += millis(50);
            lateness.observe(now, lag);
        }
        now
    }

    #[test]
    fn pings_give_way_step_by_step_and_fourfold_at_most() {
        let mut lateness = Lateness::new(Duration::ZERO);
        let mut now = observe(&mut lateness, millis(5_000), millis(1_000), LATE);
        assert_eq!(lateness.stretch, WHOLE, "late for less than a step");
        now = observe(&mut lateness, now, millis(100), LATE);
        assert_eq!(lateness.stretch, 20);
        now = observe(&mut lateness, now, millis(60_000), LATE);
        assert_eq!(lateness.stretch, MOST);
        now = observe(&mut lateness, now, millis(10_000), LATE - millis(1));
        assert!((40..=46).contains(&lateness.stretch), "{lateness:?}");
        observe(&mut lateness, now, millis(20_000), Duration::ZERO);
        assert_eq!(lateness.stretch, WHOLE);
    }

    #[test]
    fn one_who_stood_still_is_not_late_for_that() {
        let mut lateness = Lateness::new(Duration::ZERO);
        for stop in 1..100 {
            lateness.observe(millis(stop * 6_000), millis(6_000));
            lateness.observe(millis(stop * 6_000 + 200), millis(100));
        }
        assert_eq!(lateness.stretch, WHOLE);
    }

    #[test]
    fn a_ping_is_put_off_by_what_the_interval_is_stretched() {
        let mut lateness = Lateness::new(Duration::ZERO);
        assert_eq!(lateness.put_off(1_000, 1_000, 100), None);
        lateness.stretch = 2 * WHOLE;
        assert_eq!(lateness.put_off(1_000, 1_000, 100), Some(1_050));
        assert_eq!(lateness.put_off(1_000, 1_060, 100), Some(1_100));
        assert_eq!(lateness.put_off(1_000, 1_100, 100), None);
        lateness.stretch = MOST;
        assert_eq!(lateness.put_off(1_000, 1_299, 100), Some(1_300));
        assert_eq!(lateness.put_off(1_000, 1_300, 100), None);
        // The shortest interval.
        assert_eq!(lateness.put_off(1_000, 1_001, 1), Some(1_002));
    }
}
