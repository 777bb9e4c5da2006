//! The close deadline is extended while output precedes the server's Close.
//!
//! The rules are those of a late [Pong](crate::worker::session::late_pong): the peer must take a least number of bytes from one check to
//! the next. Once it has acknowledged the server's Close, the deadline is not extended any more.

use super::sessions::Sessions;
use crate::base::ticks::{TICK, tick_at, ticks};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, OutputProgress};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Notes that the server's Close has joined output that is blocked. From now on the peer must take enough of it.
    pub(in crate::worker) fn expect_late_close(&mut self, index: ConnIndex) {
        if self.streams.table.side_mut(index).is_some_and(|side| side.late_close.is_none()) {
            let measured = self.measured(index, 0);
            self.streams.table.side_or_new(index).late_close = Some(Box::new(measured));
        }
    }

    /// Returns whether a connection stays open until the next check although its next request is late, because the peer takes the answer to
    /// the last one.
    pub(in crate::worker) fn awaits_reader_longer(&mut self, index: ConnIndex) -> bool {
        self.streams.queued(index) > 0 && self.awaits_close_longer(index)
    }

    /// Forgets the state of a late Close, because the connection stays open.
    pub(in crate::worker) fn forget_late_close(&mut self, index: ConnIndex) {
        if self.streams.table.side_mut(index).is_some_and(|side| side.late_close.take().is_some()) {
            self.streams.free_side(index);
        }
    }

    /// Returns whether a connection stays open until the next check although its close deadline has passed, because the peer takes the
    /// output that precedes the server's Close.
    pub(in crate::worker) fn awaits_close_longer(&mut self, index: ConnIndex) -> bool {
        // There are few places for refused connections.
        if self.streams.table.record_mut(index).flags.has(Flags::REFUSED) {
            return false;
        }
        let patience = ticks(self.limits.close_timeout) + 1;
        let late = self.streams.table.side_mut(index).and_then(|side| side.late_close.as_deref());
        let stage = late.map_or(OutputProgress::Unmeasured, |stage| *stage);
        let Some(next) = self.progress(index, stage, patience, TICK * patience) else { return false };
        self.streams.table.side_or_new(index).late_close = Some(Box::new(next));
        self.streams.table.arm(index, tick_at(self.streams.os.now()) + patience);
        true
    }
}
