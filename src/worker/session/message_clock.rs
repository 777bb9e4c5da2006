//! When the time of a message that has begun to arrive runs, and when it stands still.

use super::sessions::Sessions;
use crate::base::ticks::MAX_TIME;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::Flags;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Gives a message that has begun its time, from now on.
    pub(in crate::worker) fn begin_message_clock(&mut self, index: u32) {
        let Some(time) = self.limits.message_timeout.map(|time| time.min(MAX_TIME)) else { return };
        let stands = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
        // Not the iteration's time, here as below: what has passed of it would be taken from the peer's.
        self.streams.table.begin_message(index, || self.streams.os.now(), time, stands);
    }

    /// From now on the connection is not read from.
    pub(in crate::worker) fn stop_message_clock(&mut self, index: u32) {
        self.streams.table.stop_message(index, || self.streams.os.now());
    }

    /// From now on it is.
    pub(in crate::worker) fn go_on_with_message_clock(&mut self, index: u32) {
        self.streams.table.resume_message(index, || self.streams.os.now());
    }
}
