//! A close that is late because our Close has output in front of it.
//!
//! As with a [Pong](crate::worker::session::late_pong), a peer that reads slowly and steadily gets to it: it must take as much from one look to the next, and
//! once our Close has been acknowledged it has its time and no more.

use super::sessions::Sessions;
use crate::base::ticks::{TICK, tick_at, ticks};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{Flags, Stage};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Our Close has joined output that is stuck, of which enough must be taken from now on.
    pub(in crate::worker) fn expect_late_close(&mut self, index: u32) {
        if self.streams.table.side_mut(index).is_some_and(|side| side.late_close.is_none()) {
            let measured = self.measured(index, 0);
            self.streams.table.side_or_new(index).late_close = Some(Box::new(measured));
        }
    }

    /// The time to close is up: whether the connection goes on until the next look, because the peer takes what is in front of our Close.
    pub(in crate::worker) fn awaits_close_longer(&mut self, index: u32) -> bool {
        // Refused connections have few places.
        if self.streams.table.record_mut(index).flags.has(Flags::REFUSED) {
            return false;
        }
        let patience = ticks(self.limits.close_timeout) + 1;
        let late = self.streams.table.side_mut(index).and_then(|side| side.late_close.as_deref());
        let stage = late.map_or(Stage::Unmeasured, |stage| *stage);
        let Some(next) = self.progress(index, stage, patience, TICK * patience) else { return false };
        self.streams.table.side_or_new(index).late_close = Some(Box::new(next));
        self.streams.table.arm(index, tick_at(self.streams.os.now()) + patience);
        true
    }
}
