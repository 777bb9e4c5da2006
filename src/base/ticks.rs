//! Ticks: the unit of time of the wheel and the records.

use std::time::Duration;

/// The length of a tick. A timer never expires early, and at most a tick late, apart from the event loop's own delay.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The length of a tick in milliseconds, in 64 bits: dividing the 128 bits of [`Duration::as_millis`] takes a function call.
const TICK_MILLIS: u64 = 100;

/// The tick at time zero. It is not 0, so that ticks before time zero can be represented; 2^24 ticks are 19 days.
const ORIGIN: u32 = 1 << 24;

/// The longest time that can be counted in ticks: a week, which is fewer ticks than [`ORIGIN`].
pub(crate) const MAX_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const _: () = assert!(TICK.as_millis() == TICK_MILLIS as u128);
const _: () = assert!(MAX_TIME.as_millis() / TICK.as_millis() < ORIGIN as u128);

/// Returns the tick that contains `time`, counted from the worker's start. After 13 years the result no longer grows.
pub(crate) fn tick_at(time: Duration) -> u32 {
    let ticks = millis(time) / TICK_MILLIS;
    u32::try_from(ticks).map_or(u32::MAX - 1, |ticks| ORIGIN.saturating_add(ticks))
}

/// Returns the first tick that begins after `now + delay`.
pub(crate) fn deadline(now: Duration, delay: Duration) -> u32 {
    tick_at(now + delay.min(MAX_TIME)) + 1
}

/// Returns a time in whole ticks, rounded up.
pub(crate) fn ticks(time: Duration) -> u32 {
    let ticks = millis(time.min(MAX_TIME)).div_ceil(TICK_MILLIS);
    u32::try_from(ticks).unwrap_or(ORIGIN)
}

/// Returns the time at which `tick` begins, counted from the worker's start.
pub(crate) fn time_of(tick: u32) -> Duration {
    TICK * tick.saturating_sub(ORIGIN)
}

/// Returns a time in whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a time in whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_at_most_a_tick_late() {
        for now in [0, 1, 99, 100, 101, 12_345].map(Duration::from_millis) {
            for delay in [0, 1, 99, 100, 101, 30_000].map(Duration::from_millis) {
                let due = time_of(deadline(now, delay));
                assert!(due > now + delay && due <= now + delay + TICK, "{now:?} + {delay:?}: {due:?}");
            }
        }
    }

    #[test]
    fn times_round_up_and_end_at_a_week() {
        assert_eq!([0, 1, 100, 101].map(|millis| ticks(Duration::from_millis(millis))), [0, 1, 1, 2]);
        assert_eq!(ticks(Duration::MAX), 6_048_000);
        assert_eq!(time_of(tick_at(Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(tick_at(Duration::MAX), u32::MAX - 1);
    }
}
