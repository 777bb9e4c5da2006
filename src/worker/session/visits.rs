//! Which connections are read from in an iteration, for how long, and how much at a time.

use std::collections::VecDeque;

use crate::base::meter::{Allowance, Meter};
use crate::budget::LIST_KEEP;
use crate::budget::{READ_BEFORE_LARGE, READ_BUFFER, READ_COSTLY};
use crate::worker::table::ConnId;

/// The state of a worker's visits to its connections.
#[derive(Debug)]
pub(in crate::worker) struct Visits {
    pub(in crate::worker) meter: Meter,
    /// Connections that became ready when the iteration's work was used up, to be read from in the next; each is flagged `REVISIT`.
    pub(in crate::worker) unseen: VecDeque<ConnId>,
    /// Connections to be read from again without a new event; each is flagged `REVISIT`.
    pub(in crate::worker) revisit: VecDeque<ConnId>,
    /// While a slice of an earlier visit's input is handled: how many of its bytes are left again.
    pub(in crate::worker) left_again: Option<usize>,
    /// Whether the last incomplete message was a large one.
    is_large_expected: bool,
    /// Whether a read was more work than a visit may do, and no read of that length has been less since. Reads are then shorter, so that
    /// less input has to be kept.
    is_costly_expected: bool,
}

impl Visits {
    pub(in crate::worker) const fn new(most: Allowance) -> Self {
        Self {
            meter: Meter::new(most),
            unseen: VecDeque::new(),
            revisit: VecDeque::new(),
            left_again: None,
            is_large_expected: false,
            is_costly_expected: false,
        }
    }

    /// Returns whether connections that have had an event wait to be read from.
    pub(in crate::worker) fn are_waiting(&self) -> bool {
        !self.unseen.is_empty() || !self.revisit.is_empty()
    }

    /// Frees memory that lists of many connections have taken.
    pub(in crate::worker) fn give_back(&mut self) {
        for list in [&mut self.unseen, &mut self.revisit] {
            if list.is_empty() && list.capacity() > LIST_KEEP {
                *list = VecDeque::new();
            }
        }
    }

    /// Returns the most bytes to read at a time from a connection with or without compression.
    pub(in crate::worker) const fn most_at_a_time(&self, is_compressed: bool) -> usize {
        match is_compressed || self.is_costly_expected {
            true => READ_COSTLY,
            false if self.is_large_expected => READ_BEFORE_LARGE,
            false => READ_BUFFER,
        }
    }

    /// Predicts from this read that the next one, on any connection, is as long and as much work. The read may have `drained` its socket,
    /// returned a part of a large message, and returned more than the visit could handle.
    pub(in crate::worker) const fn note_read(&mut self, drained: bool, is_large: bool, has_unread: bool) {
        self.is_costly_expected = has_unread || (self.is_costly_expected && drained);
        self.is_large_expected = is_large || (self.is_large_expected && drained);
    }
}
