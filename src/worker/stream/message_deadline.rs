//! The deadline of an incomplete message, and when it is suspended.

use std::time::Duration;

use super::streams::Streams;
use crate::base::ticks::MAX_TIME;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags};

impl<O: Os, D> Streams<O, D> {
    /// Starts the deadline of a message that has just begun, if there is a `timeout`.
    pub(in crate::worker) fn start_message_deadline(&mut self, index: ConnIndex, timeout: Option<Duration>) {
        let Some(time) = timeout.map(|time| time.min(MAX_TIME)) else { return };
        let is_suspended = self.table.record_mut(index).flags.has(Flags::PAUSED);
        // Here and below the clock is read anew: the time that the iteration has taken does not count against the peer.
        self.table.start_message_deadline(index, || self.os.now(), time, is_suspended);
    }

    /// Suspends the deadline, because the connection is not read from any more.
    pub(in crate::worker) fn suspend_message_deadline(&mut self, index: ConnIndex) {
        self.table.suspend_message_deadline(index, || self.os.now());
    }

    /// Resumes the deadline, because the connection is read from again.
    pub(in crate::worker) fn resume_message_deadline(&mut self, index: ConnIndex) {
        self.table.resume_message_deadline(index, || self.os.now());
    }
}
