//! Which connections are read from in an iteration, for how long, and how much at a time.

use std::collections::VecDeque;

use crate::base::meter::{Allowance, Meter};
use crate::base::spare::free_spare;
use crate::budget::{LIST_KEEP, READ_BEFORE_LARGE, READ_BUFFER, READ_COSTLY};
use crate::worker::table::ConnId;

/// The state of a worker's visits to its connections.
#[derive(Debug)]
pub(in crate::worker) struct Visits {
    pub(in crate::worker) meter: Meter,
    /// Connections that became ready when the iteration's work was used up, to be read from in the next; each is flagged `REVISIT`.
    pub(in crate::worker) postponed: VecDeque<ConnId>,
    /// Connections to be read from again without a new event; each is flagged `REVISIT`.
    pub(in crate::worker) revisit: VecDeque<ConnId>,
    /// Set while a slice of input that an earlier visit left is handled: the number of bytes of the slice that are not handled in this visit
    /// either.
    pub(in crate::worker) left_of_slice: Option<usize>,
    /// Whether a read ended inside a large message, and every read since then was short.
    is_large_expected: bool,
    /// Whether a read returned input that took more work than a visit may do, and every read since then was short. Reads are then limited to
    /// `READ_COSTLY` bytes, so that less input has to be kept.
    is_costly_expected: bool,
}

impl Visits {
    pub(in crate::worker) const fn new(most: Allowance) -> Self {
        Self {
            meter: Meter::new(most),
            postponed: VecDeque::new(),
            revisit: VecDeque::new(),
            left_of_slice: None,
            is_large_expected: false,
            is_costly_expected: false,
        }
    }

    /// Returns whether connections that have had an event wait to be read from.
    pub(in crate::worker) fn has_queued_visits(&self) -> bool {
        !self.postponed.is_empty() || !self.revisit.is_empty()
    }

    /// Frees memory that lists of many connections have taken.
    pub(in crate::worker) fn free_spare_queues(&mut self) {
        free_spare(&mut self.postponed, LIST_KEEP);
        free_spare(&mut self.revisit, LIST_KEEP);
    }

    /// Returns the most bytes to read at a time from a connection. `is_compressed`: it has negotiated compression.
    pub(in crate::worker) const fn max_read(&self, is_compressed: bool) -> usize {
        match is_compressed || self.is_costly_expected {
            true => READ_COSTLY,
            false if self.is_large_expected => READ_BEFORE_LARGE,
            false => READ_BUFFER,
        }
    }

    /// Notes the result of a read, from which the size of the next read, on any connection, is chosen. `drained`: the read was short, so
    /// that it drained its socket. `is_large`: it ended inside a large message. `has_unhandled`: the visit could not handle all of it.
    pub(in crate::worker) const fn note_read(&mut self, drained: bool, is_large: bool, has_unhandled: bool) {
        self.is_costly_expected = has_unhandled || (self.is_costly_expected && drained);
        self.is_large_expected = is_large || (self.is_large_expected && drained);
    }
}
