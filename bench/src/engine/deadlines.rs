//! When connections of a thread are to leave, for those that do so before all are to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::visits::Hangup;

/// What is to be done in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Its connection leaves.
    Leave,
    /// Its connection, which is silent, hangs up.
    HangUp(Hangup),
}

/// The deadlines of all slots, the earliest first. A slot whose deadline has moved leaves its old one in the heap, which is skipped
/// when its time comes. Without deadlines nothing is kept for any slot.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    of: Vec<Option<(Instant, Then)>>,
}

impl Deadlines {
    pub(super) fn set(&mut self, index: usize, at: Instant, then: Then) {
        if self.of.len() <= index {
            self.of.resize(index + 1, None);
        }
        self.of[index] = Some((at, then));
        self.heap.push(Reverse((at, index)));
    }

    pub(super) fn clear(&mut self, index: usize) {
        if let Some(deadline) = self.of.get_mut(index) {
            *deadline = None;
        }
    }

    /// Whether the connection in a slot neither reads nor writes any more.
    pub(super) fn is_silent(&self, index: usize) -> bool {
        matches!(self.of.get(index), Some(Some((_, Then::HangUp(_)))))
    }

    /// Whether a slot's deadline has come.
    pub(super) fn is_due(&self, index: usize, now: Instant) -> bool {
        matches!(self.of.get(index), Some(Some((at, _))) if *at <= now)
    }

    /// The earliest time at which something may be due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next deadline that has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(usize, Then)> {
        while let Some(&Reverse((at, index))) = self.heap.peek()
            && at <= now
        {
            self.heap.pop();
            if let Some((_, then)) = self.of[index].take_if(|(own, _)| *own == at) {
                return Some((index, then));
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
        let mut deadlines = Deadlines::default();
        for (index, seconds) in [2, 1, 3, 1].into_iter().enumerate() {
            deadlines.set(index, at(seconds), Then::Leave);
        }
        deadlines.set(0, at(4), Then::HangUp(Hangup::Fin));
        deadlines.clear(3);
        assert_eq!((deadlines.next(), deadlines.take_due(now)), (Some(at(1)), None));
        assert!(deadlines.is_silent(0) && !deadlines.is_silent(1) && deadlines.is_due(1, at(1)));
        let mut due = |seconds| deadlines.take_due(at(seconds));
        assert_eq!((due(3), due(3)), (Some((1, Then::Leave)), Some((2, Then::Leave))));
        assert_eq!((due(3), due(5)), (None, Some((0, Then::HangUp(Hangup::Fin)))));
        assert_eq!(deadlines.next(), None);
    }
}
