//! The final read of a connection before a deadline of its peer is enforced.
//!
//! Input that has arrived in time counts, however late it is read: the process may have been stopped, a signal may have cut the wait short,
//! the wait may have returned as many events as it can, and not this one, or the connection may wait for another visit. So the worker reads
//! once more before it drops a connection, and only then, which costs nothing where no deadline passes. Where more has arrived than a visit
//! handles, the connection is dropped only when as much has been read as had arrived at that read. Later input does not extend the
//! deadline.

use super::sessions::{Flow, Sessions};
use crate::budget::MAX_FINAL_VISITS;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, TimerKind};

/// The result of a final read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(in crate::worker) enum FinalRead {
    /// The connection has ended.
    Gone,
    /// All input that had arrived by the deadline is handled, or the rest must wait until output is written.
    Complete,
    /// More input has to be read, in the next iteration.
    Incomplete,
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles input that has arrived for a connection. One of its deadlines has passed at the tick `due`.
    pub(in crate::worker) fn final_read(
        &mut self,
        index: ConnIndex,
        timer: TimerKind,
        due: u32,
    ) -> FinalRead {
        let id = self.streams.table.id(index);
        let is_paused = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
        // The server does not read from a peer that does not read. That the peer reads again is a sign of life.
        let flow = if is_paused { self.retry_writing(index) } else { self.revisit(index, true) };
        // A frame to this connection must not overtake a deferred reply.
        self.write_deferred();
        if flow == Flow::Gone || self.streams.table.find(id).is_none() {
            return FinalRead::Gone;
        }
        let found = self.unhandled_and_unread(index);
        if found > 0 && self.streams.table.side_or_new(index).final_reads.remaining(timer, due, found) > 0 {
            return FinalRead::Incomplete;
        }
        self.forget_final_read(index, timer);
        FinalRead::Complete
    }

    /// Leaves the enforcement of a deadline to the next iteration, which reads from the connection again.
    pub(in crate::worker) fn retry_final_read(&mut self, index: ConnIndex, timer: TimerKind, due: u32) {
        self.overdue.push((self.streams.table.id(index), timer, due));
    }

    /// Arms the timers of connections whose final read is incomplete. If they were armed earlier, they would expire again in the same phase.
    /// Returns `true` if there are any.
    pub(in crate::worker) fn rearm_overdue(&mut self) -> bool {
        let mut overdue = std::mem::take(&mut self.overdue);
        let has_overdue = !overdue.is_empty();
        for (id, timer, due) in overdue.drain(..) {
            let Some(index) = self.streams.table.find(id) else { continue };
            match timer {
                TimerKind::Message => {
                    self.streams.table.postpone_message_timer(index, due, self.streams.tick)
                }
                TimerKind::Connection
                    if self.streams.table.record_mut(index).timer.deadline() == Some(due) =>
                {
                    self.streams.table.postpone(index, due, self.streams.tick);
                }
                TimerKind::Connection => {}
            }
        }
        self.overdue = overdue;
        has_overdue
    }

    /// Handles all input that has arrived for a connection which is about to be dropped, up to a bound for a peer that keeps sending.
    pub(in crate::worker) fn read_all_arrived(&mut self, index: ConnIndex) -> Flow {
        let due = self.streams.tick;
        for _ in 0..MAX_FINAL_VISITS {
            match self.final_read(index, TimerKind::Connection, due) {
                FinalRead::Gone => return Flow::Gone,
                FinalRead::Complete => break,
                FinalRead::Incomplete => {}
            }
        }
        self.forget_final_read(index, TimerKind::Connection);
        Flow::Alive
    }

    /// Forgets the final read for a deadline that was not missed, or was enforced.
    pub(in crate::worker) fn forget_final_read(&mut self, index: ConnIndex, timer: TimerKind) {
        if let Some(side) = self.streams.table.side_mut(index)
            && side.final_reads.are_pending()
        {
            side.final_reads.clear(timer);
            self.streams.free_side(index);
        }
    }

    /// Counts the input that a visit has handled without reaching its end: `received` bytes came from the kernel, and
    /// `unhandled_before` bytes were left by the last visit.
    pub(in crate::worker) fn count_final_read(
        &mut self,
        index: ConnIndex,
        received: usize,
        unhandled_before: usize,
    ) {
        if let Some(side) = self.streams.table.side_mut(index)
            && side.final_reads.are_pending()
        {
            let taken = (received + unhandled_before).saturating_sub(side.unhandled.len());
            side.final_reads.count_handled(taken);
        }
    }

    /// Returns the number of bytes that have arrived and could be handled now, but are not.
    fn unhandled_and_unread(&mut self, index: ConnIndex) -> u32 {
        let Some((record, side)) = self.streams.table.entry(index) else { return 0 };
        if record.flags.has(Flags::PAUSED) {
            return 0;
        }
        let bytes = side.map_or(0, |side| side.unhandled.len()) + self.streams.unread(index);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}
