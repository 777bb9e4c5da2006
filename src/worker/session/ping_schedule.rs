//! The schedule of Pings: each connection has its own place in every interval, whenever it was opened.

use std::time::Duration;

use crate::base::ticks::ticks;
use crate::worker::table::ConnIndex;

/// 2^32 divided by the golden ratio: multiples of it, modulo 2^32, are spread evenly however many there are in a row (Knuth, "The Art
/// of Computer Programming", volume 3, section 6.4, theorem S).
const GOLDEN: u32 = 0x9e37_79b9;

/// The schedule of a worker's Pings.
///
/// The Pings of a connection fall on one tick of each interval, which its index determines. So a worker sends as many in one part of an
/// interval as in any other, however its connections were opened: clients that reconnect together after a restart do not get their Pings
/// together ever after. The schedule takes no memory per connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct PingSchedule {
    /// In ticks, at least one.
    interval: u32,
    /// The phase of index 0 within the interval, in units of the interval divided by 2^32. It differs between workers, so that their
    /// schedules do not coincide.
    start: u32,
}

impl PingSchedule {
    pub(in crate::worker) fn new(interval: Duration, start: u32) -> Self {
        Self { interval: ticks(interval).max(1), start }
    }

    /// Returns the interval, in ticks.
    pub(in crate::worker) const fn interval(&self) -> u32 {
        self.interval
    }

    /// Returns the tick of the next Ping of a connection that was opened, got a Ping, or was last active at the tick `since`: more than
    /// half an interval later, and at most one and a half. After a Ping that was on time it is one interval later.
    pub(in crate::worker) fn next(&self, index: ConnIndex, since: u32) -> u32 {
        let part = index.get().wrapping_mul(GOLDEN).wrapping_add(self.start);
        let place = ((u64::from(part) * u64::from(self.interval)) >> 32) as u32;
        let after = since.saturating_add(self.interval / 2);
        let past = after.wrapping_sub(place) % self.interval;
        after.saturating_add(self.interval - past)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::ticks::{TICK, tick_at};

    proptest! {
        #[test]
        fn the_first_ping_is_due_half_to_one_and_a_half_intervals_later_and_the_next_ones_every_interval(
            interval in 1..2_000_u32, start: u32, index in 0..1_u32 << 26, since in 1..1_u32 << 24,
        ) {
            let since = tick_at(Duration::ZERO) + since;
            let schedule = PingSchedule::new(TICK * interval, start);
            let first = schedule.next(ConnIndex::new(index), since);
            prop_assert!(first > since + interval / 2 && first <= since + interval + interval / 2);
            prop_assert_eq!(schedule.next(ConnIndex::new(index), first), first + interval);
            // A Ping that was late by less than half an interval does not move later ones.
            prop_assert_eq!(schedule.next(ConnIndex::new(index), first + (interval - 1) / 2), first + interval);
        }

        /// Ramps, storms and trickles: connections open at any times.
        #[test]
        fn pings_are_spread_evenly_two_intervals_after_connections_opened_at_any_times(
            start: u32,
            from in 0..1_u32 << 20,
            storms in prop::collection::vec((0..600_u32, 1..60_u32, 3_000..6_000_u32), 1..5),
        ) {
            const INTERVAL: u32 = 300;
            let schedule = PingSchedule::new(TICK * INTERVAL, start);
            let (mut index, mut end) = (from, 0);
            let mut due = Vec::new();
            for (begin, length, count) in storms {
                for number in 0..count {
                    due.push((index, schedule.next(ConnIndex::new(index), begin + number * length / count)));
                    index += 1;
                }
                end = end.max(begin + length);
            }
            let even = due.len() / 30;
            for interval in 2..5 {
                // In each second, a thirtieth of an interval.
                let mut seconds = [0_usize; 30];
                let from = end + interval * INTERVAL;
                for (index, next) in &mut due {
                    while *next < from {
                        *next = schedule.next(ConnIndex::new(*index), *next);
                    }
                    prop_assert!(*next < from + INTERVAL, "an interval without a Ping");
                    seconds[((*next - from) / 10) as usize] += 1;
                }
                let most = even + even * 15 / 100;
                let least = even - even * 15 / 100;
                prop_assert!(seconds.iter().all(|count| (least..=most).contains(count)), "{seconds:?}");
            }
        }
    }
}
