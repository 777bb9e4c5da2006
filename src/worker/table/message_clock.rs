//! The time that a message has which has begun to arrive. It stands still while it is us who do not read, and by nothing else is it
//! longer: what the peer does meanwhile gains it none.

use std::time::Duration;

use crate::base::ticks::{deadline, micros};
use crate::base::wheel::Node;

/// No time.
const NEVER: u64 = u64::MAX;

/// The clock of one message, in the side record of its connection. Times are in microseconds.
#[derive(Debug)]
pub(crate) struct MessageClock {
    /// When the message must be whole, since the worker's start, or, while the time stands still, how much of it is left; `NEVER` while
    /// no message is under way.
    due: u64,
    /// Armed while the time runs, in a wheel of its own.
    pub(crate) timer: Node,
    stands: bool,
}

impl Default for MessageClock {
    fn default() -> Self {
        Self { due: NEVER, timer: Node::UNLINKED, stands: false }
    }
}

impl MessageClock {
    /// Whether a message is under way.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.due != NEVER
    }

    /// Whether its time is up, and is no longer counted.
    pub(crate) const fn is_overdue(&self) -> bool {
        self.is_under_way() && !self.stands && !self.timer.is_armed()
    }

    /// The tick at which the time is up; `None` while it stands still, or there is no message.
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
