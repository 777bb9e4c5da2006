//! A place for one visitor after the other, and the clock that says when something is due in each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::engine::connection::Connection;

/// Where a visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody is here; the next visitor comes at the deadline.
    Away,
    /// The time has come, but too many others are being opened.
    Queued,
    /// The server has until the deadline.
    Opening,
    /// The WebSocket is open until the deadline.
    Open,
    /// The visitor neither reads nor writes until the deadline. Its WebSocket is open or not, by the way it takes.
    Silent,
    /// The server has until the deadline to finish the closing handshake.
    Closing,
    /// Nobody will come any more.
    Over,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
    pub(super) stage: Stage,
    pub(super) deadline: Instant,
    /// The number of this visit, or of the next while nobody is here.
    pub(super) visit: u32,
}

impl Slot {
    pub(super) const fn new(now: Instant) -> Self {
        Self { connection: None, stage: Stage::Away, deadline: now, visit: 0 }
    }
}

/// The deadlines of all slots, the earliest first. A slot whose deadline has moved leaves its old one behind, which is
/// skipped when its time comes: every slot has one deadline, its own.
#[derive(Debug, Default)]
pub(super) struct Clock(BinaryHeap<Reverse<(Instant, usize)>>);

impl Clock {
    /// Notes a slot's deadline.
    pub(super) fn note(&mut self, index: usize, deadline: Instant) {
        self.0.push(Reverse((deadline, index)));
    }

    /// The earliest time at which something may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// The next slot whose deadline has come.
    pub(super) fn due(&mut self, now: Instant, slots: &[Slot]) -> Option<usize> {
        while let Some(&Reverse((at, index))) = self.0.peek() {
            if at > now {
                return None;
            }
            self.0.pop();
            if slots[index].deadline == at {
                return Some(index);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn slots_come_due_in_order_and_moved_deadlines_are_skipped() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut slots = [Slot::new(at(2)), Slot::new(at(1)), Slot::new(at(3))];
        let mut clock = Clock::default();
        for (index, slot) in slots.iter().enumerate() {
            clock.note(index, slot.deadline);
        }
        slots[0].deadline = at(4);
        clock.note(0, at(4));
        assert_eq!((clock.next(), clock.due(now, &slots)), (Some(at(1)), None));
        assert_eq!((clock.due(at(3), &slots), clock.due(at(3), &slots)), (Some(1), Some(2)));
        assert_eq!((clock.due(at(3), &slots), clock.due(at(5), &slots)), (None, Some(0)));
        assert_eq!(clock.next(), None);
    }
}
