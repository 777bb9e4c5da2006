//! Visitors that come and go at random, as one thread of an engine has them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::Instant;

use serde::Serialize;

use super::visit::{Habits, Visit, Way};
use crate::engine::Plan;
use crate::engine::visits::{self, End, Hangup, Leave, Next, Request, Slot, Stay, Turn};
use crate::measure::reasons::{Reasons, add_fields};

/// What has become of the visits. The names of its fields in JSON are stable; docs/RESULTS.md explains them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Visits {
    pub(crate) begun: u64,
    /// Visitors here now whose WebSocket is open, those included that are leaving.
    pub(crate) here: u64,
    pub(crate) opened: u64,
    pub(crate) left: Reasons<Way>,
    pub(crate) given_up: u64,
    pub(crate) not_begun: Reasons,
    pub(crate) failed: Reasons,
    pub(crate) lost: Reasons,
    pub(crate) unclean: Reasons,
    pub(crate) pings_answered: u64,
}

add_fields!(Visits { begun, here, opened, left, given_up, not_begun, failed, lost, unclean, pings_answered });

/// One thread's visitors.
#[derive(Debug)]
pub(super) struct Visitors {
    habits: Habits,
    threads: usize,
    thread: usize,
    /// The number of the visit in each slot, or of the next one while nobody is there.
    numbers: Vec<u32>,
    /// When who comes next to which slot.
    arrivals: BinaryHeap<Reverse<(Instant, Slot)>>,
    rng: fastrand::Rng,
    tally: Visits,
}

impl Visitors {
    pub(super) fn new(habits: Habits, plan: &Plan, thread: usize) -> Self {
        let share = plan.share(thread);
        let mut visitors = Self {
            habits,
            threads: plan.threads.count,
            thread,
            numbers: vec![0; share],
            arrivals: BinaryHeap::with_capacity(share),
            rng: fastrand::Rng::with_seed(habits.seed.wrapping_add(thread as u64)),
            tally: Visits::default(),
        };
        let now = Instant::now();
        (0..share).for_each(|index| visitors.expect(Slot::of(index), now));
        visitors
    }

    /// Has the next visitor of a slot come after a pause.
    fn expect(&mut self, slot: Slot, now: Instant) {
        let pause = self.visit(slot).pause;
        self.arrivals.push(Reverse((now + pause, slot)));
    }

    /// What a slot's visitor, or its next one, is about.
    fn visit(&self, slot: Slot) -> Visit {
        let number = slot.index() * self.threads + self.thread;
        self.habits.visit(number as u64, self.numbers[slot.index()])
    }

    fn note_begun(&mut self, slot: Slot) {
        self.tally.begun += u64::from(self.numbers[slot.index()] == 0);
    }
}

impl visits::Visits for Visitors {
    type Tally = Visits;

    fn next(&mut self, turn: &Turn) -> Next {
        match self.arrivals.peek() {
            Some(&Reverse((at, slot))) if at <= turn.now => {
                self.arrivals.pop();
                Next::Begin { slot, planned: None }
            }
            Some(&Reverse((at, _))) => Next::At(at),
            None => Next::Nothing,
        }
    }

    /// Turns of addresses go on with each visit, so that ports rest between two uses.
    fn number(&self, slot: Slot) -> usize {
        slot.index() * self.threads + self.thread + self.numbers[slot.index()] as usize
    }

    fn request(&self, slot: Slot) -> Request {
        let visit = self.visit(slot);
        match visit.way {
            Way::MidHandshake => {
                Request::Part { share: visit.part, time: visit.silence, then: hangup(visit.abrupt) }
            }
            _ => Request::Whole,
        }
    }

    fn broken_off(&mut self, slot: Slot) {
        self.note_begun(slot);
    }

    fn opened(&mut self, slot: Slot, turn: &Turn) -> Stay {
        self.note_begun(slot);
        self.tally.opened += 1;
        self.tally.here += 1;
        Stay::Until(turn.now + self.visit(slot).life)
    }

    fn due(&mut self, slot: Slot, turn: &Turn) -> Leave {
        let visit = self.visit(slot);
        let silent = |say| Leave::Silent { say, time: visit.silence, then: hangup(visit.abrupt) };
        match visit.way {
            _ if turn.is_ending => Leave::Close,
            Way::Fin => Leave::Now(Hangup::Fin),
            Way::Reset => Leave::Now(Hangup::Reset),
            Way::Deaf => silent(Vec::new()),
            Way::MidMessage => {
                let mut say = Vec::new();
                visit.unfinished_message(self.rng.u32(..).to_ne_bytes(), &mut say);
                silent(say)
            }
            // In the middle of a handshake none is open.
            Way::ClosingHandshake | Way::MidHandshake => Leave::Close,
        }
    }

    fn ended(&mut self, slot: Slot, end: End<'_>, turn: &Turn) {
        let way = self.visit(slot).way;
        if matches!(end, End::NotBegun(..) | End::Failed(_) | End::GivenUp) {
            self.note_begun(slot);
        } else if !(matches!(end, End::Left) && way == Way::MidHandshake) {
            self.tally.here -= 1;
        }
        match end {
            End::NotBegun(error, reason) if is_our_own(error) => self.tally.not_begun.count(reason),
            End::NotBegun(_, reason) | End::Failed(reason) => self.tally.failed.count(reason),
            End::GivenUp => self.tally.given_up += 1,
            End::Lost(reason) => self.tally.lost.count(reason),
            End::Unclean(reason) => self.tally.unclean.count(reason),
            End::Closed => self.tally.left.count(Way::ClosingHandshake),
            End::Left => self.tally.left.count(way),
        }
        self.numbers[slot.index()] += 1;
        if !turn.is_ending {
            self.expect(slot, turn.now);
        }
    }

    fn tally(&self) -> Visits {
        self.tally.clone()
    }
}

const fn hangup(abrupt: bool) -> Hangup {
    if abrupt { Hangup::Reset } else { Hangup::Fin }
}

/// Whether a connection could not be begun for want of something of this program's: ports, descriptors, memory.
fn is_our_own(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| [ENFILE, EMFILE, ENOSPC, ENOBUFS].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_lacks_is_told_from_what_the_server_refuses() {
        for code in [99, 24, 12] {
            assert!(is_our_own(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_our_own(&io::Error::from_raw_os_error(111)));
    }
}
