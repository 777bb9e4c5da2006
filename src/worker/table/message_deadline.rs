//! The deadline of an incomplete message. It is suspended while the server does not read from the connection. Nothing that the peer does
//! extends it.

use std::time::Duration;

use crate::base::ticks::{deadline, micros};
use crate::base::wheel::Node;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The deadline of one message, in the side record of its connection. Times are in microseconds.
#[derive(Debug)]
pub(crate) struct MessageDeadline {
    /// When the message must be complete, since the worker's start; while the deadline is suspended, how much time is left; `NEVER` while
    /// no message is incomplete.
    due: u64,
    /// Armed while the deadline runs, in a wheel of its own.
    pub(crate) timer: Node,
    is_suspended: bool,
}

impl Default for MessageDeadline {
    fn default() -> Self {
        Self { due: NEVER, timer: Node::UNLINKED, is_suspended: false }
    }
}

impl MessageDeadline {
    /// Returns whether a message is incomplete.
    pub(crate) const fn is_set(&self) -> bool {
        self.due != NEVER
    }

    /// Returns whether the deadline has passed, so that its timer is disarmed.
    pub(crate) const fn is_overdue(&self) -> bool {
        self.is_set() && !self.is_suspended && !self.timer.is_armed()
    }

    /// Returns the tick of the deadline; `None` while it is suspended, or no message is incomplete.
    pub(super) fn tick(&self) -> Option<u32> {
        let runs = self.is_set() && !self.is_suspended;
        runs.then(|| deadline(Duration::from_micros(self.due), Duration::ZERO))
    }

    pub(super) fn start(&mut self, now: Duration, time: Duration, is_suspended: bool) {
        self.due = if is_suspended { micros(time) } else { micros(now + time) };
        self.is_suspended = is_suspended;
    }

    pub(super) fn suspend(&mut self, now: Duration) {
        if self.is_set() && !std::mem::replace(&mut self.is_suspended, true) {
            self.due = self.due.saturating_sub(micros(now));
        }
    }

    pub(super) fn resume(&mut self, now: Duration) {
        if std::mem::take(&mut self.is_suspended) {
            self.due += micros(now);
        }
    }

    pub(super) const fn clear(&mut self) {
        (self.due, self.is_suspended) = (NEVER, false);
    }
}
