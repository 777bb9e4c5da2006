//! The close deadline is extended while output precedes the server's Close.
//!
//! The rules are those of a late Pong (`worker/session/late_pong.rs`): the peer must take a least number of bytes from one check to
//! the next. Once it has acknowledged the server's Close, the deadline is not extended any more.

use super::streams::Streams;
use crate::base::ticks::{TICK, tick_at, ticks};
use crate::worker::limits::Limits;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, OutputProgress};

impl<O: Os, D> Streams<O, D> {
    /// Notes that the server's Close has joined output that is blocked. From now on the peer must take enough of it.
    pub(in crate::worker) fn track_late_close(&mut self, index: ConnIndex) {
        if self.table.side_mut(index).is_some_and(|side| side.late_close.is_none()) {
            let measured = self.measure_output(index, 0);
            self.table.side_or_new(index).late_close = Some(Box::new(measured));
        }
    }

    /// Extends the deadline of the next request to the next check, if the peer takes the answer to the last one. Returns whether it did.
    pub(in crate::worker) fn extend_request_deadline(&mut self, index: ConnIndex, limits: &Limits) -> bool {
        self.outbox_len(index) > 0 && self.extend_close_deadline(index, limits)
    }

    /// Forgets the state of a late Close, because the connection stays open.
    pub(in crate::worker) fn forget_late_close(&mut self, index: ConnIndex) {
        if self.table.side_mut(index).is_some_and(|side| side.late_close.take().is_some()) {
            self.free_side(index);
        }
    }

    /// Extends a close deadline that has passed to the next check, if the peer takes the output that precedes the server's Close. Returns
    /// whether it did.
    pub(in crate::worker) fn extend_close_deadline(&mut self, index: ConnIndex, limits: &Limits) -> bool {
        // There are few places for refused connections.
        if self.table.record_mut(index).flags.has(Flags::REFUSED) {
            return false;
        }
        let check_interval = ticks(limits.close_timeout) + 1;
        let late = self.table.side_mut(index).and_then(|side| side.late_close.as_deref());
        let progress = late.map_or(OutputProgress::Unmeasured, |progress| *progress);
        let Some(next) = self.check_progress(
            index,
            progress,
            (check_interval, limits.slowest_reader),
            TICK * check_interval,
        ) else {
            return false;
        };
        self.table.side_or_new(index).late_close = Some(Box::new(next));
        self.table.arm(index, tick_at(self.os.now()) + check_interval);
        true
    }
}
