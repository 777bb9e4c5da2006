//! Connections that come by the clock, or as soon as there is room, stay a while and leave.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::Plan;
use crate::engine::once::planned;
use crate::engine::visits::{self, End, Hangup, Next, Slot, Stay, Turn};
use crate::measure::distribution::micros;

/// How a connection leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leave {
    /// With a closing handshake, which the server ends.
    #[default]
    Close,
    /// With the end of the stream and nothing else.
    Fin,
    /// With a reset.
    Reset,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Connections to begin per second, over all threads; `None` for as many as can be.
    pub(super) rate: Option<f64>,
    pub(super) stay: Duration,
    pub(super) leave: Leave,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
}

/// How far behind its plan one thread was, or all are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Behind {
    /// Planned connections that were never begun, because no slot was free.
    pub(super) not_begun: u64,
    /// How late the program itself began one at most.
    pub(super) behind_us: u64,
}

impl AddAssign<&Self> for Behind {
    fn add_assign(&mut self, other: &Self) {
        self.not_begun += other.not_begun;
        self.behind_us = self.behind_us.max(other.behind_us);
    }
}

/// One thread's connections.
#[derive(Debug)]
pub(super) struct Visits {
    habits: Habits,
    threads: usize,
    thread: usize,
    /// The number of the connection in each slot.
    numbers: Vec<usize>,
    free: Vec<Slot>,
    /// Connections begun.
    begun: usize,
    behind_us: u64,
}

impl Visits {
    pub(super) fn new(habits: Habits, plan: &Plan, thread: usize) -> Self {
        let share = plan.share(thread);
        Self {
            habits,
            threads: plan.threads.count,
            thread,
            numbers: vec![0; share],
            free: (0..share).rev().map(Slot::of).collect(),
            begun: 0,
            behind_us: 0,
        }
    }

    /// The number of the next connection among those of all threads.
    const fn next_number(&self) -> usize {
        self.begun * self.threads + self.thread
    }

    /// Connections of this thread that are planned.
    fn planned(&self, rate: f64) -> usize {
        let time = (self.habits.warm_up + self.habits.time).as_secs_f64();
        let numbers = (self.thread..).step_by(self.threads);
        numbers.take_while(|&number| (number as f64 / rate) < time).count()
    }
}

impl visits::Visits for Visits {
    type Tally = Behind;

    fn next(&mut self, turn: &Turn) -> Next {
        if turn.now >= turn.started + self.habits.warm_up + self.habits.time {
            return Next::Nothing;
        }
        let planned = self.habits.rate.map(|rate| planned(turn.started, self.next_number(), rate));
        let now = Instant::now();
        if let Some(planned) = planned
            && planned > now
        {
            return Next::At(planned);
        }
        let Some(slot) = self.free.pop() else { return Next::Nothing };
        // Only with slots to spare is it this program that is late.
        if let Some(planned) = planned
            && self.free.len() > self.numbers.len() / 2
            && self.is_measured(turn)
        {
            self.behind_us = self.behind_us.max(micros(now - planned));
        }
        self.numbers[slot.index()] = self.next_number();
        self.begun += 1;
        Next::Begin { slot, planned }
    }

    fn number(&self, slot: Slot) -> usize {
        self.numbers[slot.index()]
    }

    fn opened(&mut self, _: Slot, turn: &Turn) -> Stay {
        Stay::Until(turn.now + self.habits.stay)
    }

    fn due(&mut self, _: Slot, _: &Turn) -> visits::Leave {
        match self.habits.leave {
            Leave::Close => visits::Leave::Close,
            Leave::Fin => visits::Leave::Now(Hangup::Fin),
            Leave::Reset => visits::Leave::Now(Hangup::Reset),
        }
    }

    fn ended(&mut self, slot: Slot, _: End<'_>, _: &Turn) {
        self.free.push(slot);
    }

    /// What was not begun is known when all have left.
    fn tally(&self) -> Behind {
        let is_over = self.free.len() == self.numbers.len();
        let planned = self.habits.rate.filter(|_| is_over).map_or(0, |rate| self.planned(rate));
        Behind { not_begun: planned.saturating_sub(self.begun) as u64, behind_us: self.behind_us }
    }

    fn is_measured(&self, turn: &Turn) -> bool {
        let from = turn.started + self.habits.warm_up;
        (from..from + self.habits.time).contains(&turn.now)
    }

    fn is_failure(&self, end: &End<'_>) -> bool {
        !matches!(end, End::GivenUp)
    }
}
