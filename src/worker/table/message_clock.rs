//! The deadline of an incomplete message. It is suspended while the server does not read from the connection. Nothing that the peer does
//! extends it.

use std::time::Duration;

use crate::base::ticks::{deadline, micros};
use crate::base::wheel::Node;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The deadline of one message, in the side record of its connection. Times are in microseconds.
#[derive(Debug)]
pub(crate) struct MessageClock {
    /// When the message must be complete, since the worker's start; while the deadline is suspended, how much time is left; `NEVER` while
    /// no message is incomplete.
    due: u64,
    /// Armed while the deadline runs, in a wheel of its own.
    pub(crate) timer: Node,
    stands: bool,
}

impl Default for MessageClock {
    fn default() -> Self {
        Self { due: NEVER, timer: Node::UNLINKED, stands: false }
    }
}

impl MessageClock {
    /// Returns whether a message is incomplete.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.due != NEVER
    }

    /// Returns whether the deadline has passed, so that its timer is disarmed.
    pub(crate) const fn is_overdue(&self) -> bool {
        self.is_under_way() && !self.stands && !self.timer.is_armed()
    }

    /// Returns the tick of the deadline; `None` while it is suspended, or no message is incomplete.
    pub(super) fn deadline(&self) -> Option<u32> {
        let runs = self.is_under_way() && !self.stands;
        runs.then(|| deadline(Duration::from_micros(self.due), Duration::ZERO))
    }

    pub(super) fn begin(&mut self, now: Duration, time: Duration, stands: bool) {
        self.due = if stands { micros(time) } else { micros(now + time) };
        self.stands = stands;
    }

    pub(super) fn stop(&mut self, now: Duration) {
        if self.is_under_way() && !std::mem::replace(&mut self.stands, true) {
            self.due = self.due.saturating_sub(micros(now));
        }
    }

    pub(super) fn go_on(&mut self, now: Duration) {
        if std::mem::take(&mut self.stands) {
            self.due += micros(now);
        }
    }

    pub(super) const fn forget(&mut self) {
        (self.due, self.stands) = (NEVER, false);
    }
}
