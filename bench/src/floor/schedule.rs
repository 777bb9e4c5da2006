//! When the floor pings whom: as throng does, without its wheel.

use std::time::Duration;

/// A connection that is not to be pinged.
const NEVER: u16 = u16::MAX;

/// Connections by the tick of the interval at which they are pinged.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Descriptors to ping at each tick of the interval. Those that have gone stay until their turn comes.
    turns: Vec<Vec<u32>>,
    /// Each descriptor's turn, [`NEVER`] without one.
    turn_of: Vec<u16>,
    /// The turn of the tick at hand.
    now: u16,
    rng: fastrand::Rng,
}

impl Schedule {
    /// A schedule for an interval of at least two ticks and less than 65,535.
    pub(super) fn new(interval: Duration, tick: Duration, seed: u64) -> Self {
        let ticks = interval.as_millis() / tick.as_millis().max(1);
        let ticks = u16::try_from(ticks).unwrap_or(NEVER - 1).clamp(1, NEVER - 1);
        Self {
            turns: (0..ticks).map(|_| Vec::new()).collect(),
            turn_of: Vec::new(),
            now: 0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Whether a descriptor has a turn.
    pub(super) fn holds(&self, at: usize) -> bool {
        self.turn_of.get(at).is_some_and(|&turn| turn != NEVER)
    }

    /// Gives a descriptor its turn: at random in the second half of the interval, where throng sends its first Ping too.
    pub(super) fn add(&mut self, at: usize) {
        let ticks = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        let delay = ticks - self.rng.u32(..ticks.div_ceil(2));
        let turn = (u32::from(self.now) + delay) % ticks;
        if self.turn_of.len() <= at {
            self.turn_of.resize(at + 1, NEVER);
        }
        self.turn_of[at] = u16::try_from(turn).unwrap_or(0);
        self.turns[turn as usize].push(u32::try_from(at).unwrap_or(u32::MAX));
    }

    /// Takes a descriptor's turn away.
    pub(super) fn remove(&mut self, at: usize) {
        if let Some(turn) = self.turn_of.get_mut(at) {
            *turn = NEVER;
        }
    }

    /// Moves on by a tick, and takes the descriptors whose turn it is; [`put_back`](Self::put_back) must follow.
    pub(super) fn take_due(&mut self) -> Vec<u32> {
        self.now = (self.now + 1) % u16::try_from(self.turns.len()).unwrap_or(NEVER);
        std::mem::take(&mut self.turns[usize::from(self.now)])
    }

    /// Whether it is still this descriptor's turn.
    pub(super) fn is_due(&self, at: u32) -> bool {
        self.turn_of.get(at as usize) == Some(&self.now)
    }

    /// Keeps the descriptors for the next interval, without those that have gone.
    pub(super) fn put_back(&mut self, mut due: Vec<u32>) {
        due.retain(|&at| self.is_due(at));
        self.turns[usize::from(self.now)] = due;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_an_interval_and_none_in_the_first_half() {
        let mut schedule = Schedule::new(Duration::from_secs(1), Duration::from_millis(100), 7);
        (0..50).for_each(|at| schedule.add(at));
        schedule.remove(3);
        assert!(!schedule.holds(3) && schedule.holds(4) && !schedule.holds(50));
        let mut counts = [0; 50];
        for tick in 1..=25 {
            let due = schedule.take_due();
            for &at in due.iter().filter(|&&at| schedule.is_due(at)) {
                assert!(tick > 5, "{at} at {tick}");
                counts[at as usize] += 1;
            }
            schedule.put_back(due);
        }
        assert!((0..50).all(|at| if at == 3 { counts[at] == 0 } else { counts[at] == 2 }), "{counts:?}");
    }
}
