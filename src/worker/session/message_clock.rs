//! The deadline of a message that has begun to arrive, and when it stands still.

use super::sessions::Sessions;
use crate::base::ticks::MAX_TIME;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::Flags;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Arms the deadline of a message that has just begun.
    pub(in crate::worker) fn begin_message_clock(&mut self, index: u32) {
        let Some(time) = self.limits.message_timeout.map(|time| time.min(MAX_TIME)) else { return };
        let stands = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
        // By the clock as it is now, here and below: the time that the iteration has taken is not the peer's.
        self.streams.table.begin_message(index, || self.streams.os.now(), time, stands);
    }

    /// Stops the deadline: from now on the connection is not read from.
    pub(in crate::worker) fn stop_message_clock(&mut self, index: u32) {
        self.streams.table.stop_message(index, || self.streams.os.now());
    }

    /// Lets the deadline go on: from now on the connection is read from again.
    pub(in crate::worker) fn go_on_with_message_clock(&mut self, index: u32) {
        self.streams.table.resume_message(index, || self.streams.os.now());
    }
}
