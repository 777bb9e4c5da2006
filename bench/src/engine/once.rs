//! Connections that are opened once each, by the clock or as fast as can be, and stay until all are to leave.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::visits::{End, Leave, Next, Slot, Stay, Turn, Visits};

/// One thread's connections.
#[derive(Debug)]
pub(crate) struct Once {
    thread: usize,
    threads: usize,
    share: usize,
    rate: Option<f64>,
    begun: usize,
}

/// Nothing is counted that the engine does not count itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoTally;

impl AddAssign<&Self> for NoTally {
    fn add_assign(&mut self, _: &Self) {}
}

impl Once {
    pub(super) fn new(plan: &Plan, thread: usize) -> Self {
        Self { thread, threads: plan.threads.count, share: plan.share(thread), rate: plan.rate, begun: 0 }
    }
}

impl Visits for Once {
    type Tally = NoTally;

    fn next(&mut self, turn: &Turn) -> Next {
        if self.begun >= self.share {
            return Next::Nothing;
        }
        let slot = Slot::of(self.begun);
        let planned = self.rate.map(|rate| planned(turn.started, self.number(slot), rate));
        if let Some(planned) = planned
            && planned > turn.now
        {
            return Next::At(planned);
        }
        self.begun += 1;
        Next::Begin { slot, planned }
    }

    fn number(&self, slot: Slot) -> usize {
        slot.index() * self.threads + self.thread
    }

    fn opened(&mut self, _: Slot, _: &Turn) -> Stay {
        Stay::On
    }

    fn due(&mut self, _: Slot, _: &Turn) -> Leave {
        Leave::Close
    }

    fn ended(&mut self, _: Slot, _: End<'_>, _: &Turn) {}

    fn tally(&self) -> NoTally {
        NoTally
    }
}

/// When the connection with this number is to begin at so many per second.
pub(crate) fn planned(started: Instant, number: usize, rate: f64) -> Instant {
    started + Duration::from_secs_f64(number as f64 / rate)
}
