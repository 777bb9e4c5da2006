//! When the floor pings whom: as throng does, without its wheel.

use std::time::Duration;

/// A connection that is not to be pinged.
const NEVER: u16 = u16::MAX;
/// Marks a turn that comes too soon after the opening, and is left out once.
const LEFT_OUT: u16 = 1 << 15;
/// 2^32 divided by the golden ratio: its multiples are spread evenly, however many there are in a row.
const GOLDEN: u32 = 0x9e37_79b9;

/// Connections by the tick of the interval at which they are pinged.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Descriptors to ping at each tick of the interval. Those that have gone stay until their turn comes.
    turns: Vec<Vec<u32>>,
    /// Each descriptor's turn, which may be [`LEFT_OUT`] once; [`NEVER`] without one.
    turn_of: Vec<u16>,
    /// The turn of the tick at hand.
    now: u16,
    /// Where in the interval the first descriptor is: a worker's own.
    start: u32,
}

impl Schedule {
    /// A schedule for an interval of at least one tick and less than 32,767.
    pub(super) fn new(interval: Duration, tick: Duration, seed: u64) -> Self {
        let ticks = interval.as_millis() / tick.as_millis().max(1);
        let ticks = u16::try_from(ticks).unwrap_or(LEFT_OUT - 1).clamp(1, LEFT_OUT - 1);
        Self {
            turns: (0..ticks).map(|_| Vec::new()).collect(),
            turn_of: Vec::new(),
            now: 0,
            start: fastrand::Rng::with_seed(seed).u32(..),
        }
    }

    /// Gives a descriptor its turn: a place of its own in the interval, and not in the first half of one, as throng does.
    pub(super) fn add(&mut self, at: usize) {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let ticks = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        let part = number.wrapping_mul(GOLDEN).wrapping_add(self.start);
        let turn = ((u64::from(part) * u64::from(ticks)) >> 32) as u32;
        let distance = match (turn + ticks - u32::from(self.now)) % ticks {
            0 => ticks,
            distance => distance,
        };
        let mark = if distance <= ticks / 2 { LEFT_OUT } else { 0 };
        if self.turn_of.len() <= at {
            self.turn_of.resize(at + 1, NEVER);
        }
        self.turn_of[at] = u16::try_from(turn).unwrap_or(0) | mark;
        self.turns[turn as usize].push(number);
    }

    /// Takes a descriptor's turn away.
    pub(super) fn remove(&mut self, at: usize) {
        if let Some(turn) = self.turn_of.get_mut(at) {
            *turn = NEVER;
        }
    }

    /// Moves on by a tick, and takes the descriptors whose turn it is; [`put_back`](Self::put_back) must follow.
    pub(super) fn take_due(&mut self) -> Vec<u32> {
        self.now = (self.now + 1) % u16::try_from(self.turns.len()).unwrap_or(LEFT_OUT);
        std::mem::take(&mut self.turns[usize::from(self.now)])
    }

    /// Whether it is still this descriptor's turn, and is not left out.
    pub(super) fn is_due(&self, at: u32) -> bool {
        self.turn_of.get(at as usize) == Some(&self.now)
    }

    /// Keeps the descriptors for the next interval, without those that have gone.
    pub(super) fn put_back(&mut self, mut due: Vec<u32>) {
        due.retain(|&at| {
            let Some(turn) = self.turn_of.get_mut(at as usize) else { return false };
            if *turn != NEVER {
                *turn &= !LEFT_OUT;
            }
            *turn == self.now
        });
        self.turns[usize::from(self.now)] = due;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_an_interval_and_none_in_the_first_half_after_the_opening() {
        let mut schedule = Schedule::new(Duration::from_secs(1), Duration::from_millis(100), 7);
        (0..50).for_each(|at| schedule.add(at));
        schedule.remove(3);
        let mut counts = [0; 50];
        for tick in 1..=35 {
            let due = schedule.take_due();
            let mut number = 0;
            for &at in due.iter().filter(|&&at| schedule.is_due(at)) {
                assert!(tick > 5, "{at} at {tick}");
                counts[at as usize] += 1;
                number += 1;
            }
            assert!(tick <= 15 || (3..=7).contains(&number), "{number} at {tick}");
            schedule.put_back(due);
        }
        assert!((0..50).all(|at| if at == 3 { counts[at] == 0 } else { counts[at] == 3 }), "{counts:?}");
    }
}
