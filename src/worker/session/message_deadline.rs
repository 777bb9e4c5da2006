//! The deadline of an incomplete message, and when it is suspended.

use super::sessions::Sessions;
use crate::base::ticks::MAX_TIME;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Starts the deadline of a message that has just begun.
    pub(in crate::worker) fn start_message_deadline(&mut self, index: ConnIndex) {
        let Some(time) = self.limits.message_timeout.map(|time| time.min(MAX_TIME)) else { return };
        let is_suspended = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
        // Here and below the clock is read anew: the time that the iteration has taken does not count against the peer.
        self.streams.table.start_message_deadline(index, || self.streams.os.now(), time, is_suspended);
    }

    /// Suspends the deadline, because the connection is not read from any more.
    pub(in crate::worker) fn suspend_message_deadline(&mut self, index: ConnIndex) {
        self.streams.table.suspend_message_deadline(index, || self.streams.os.now());
    }

    /// Resumes the deadline, because the connection is read from again.
    pub(in crate::worker) fn resume_message_deadline(&mut self, index: ConnIndex) {
        self.streams.table.resume_message_deadline(index, || self.streams.os.now());
    }
}
