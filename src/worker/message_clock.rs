//! The time that a message has which has begun to arrive. It stands still while it is us who do not read, and by nothing else is it
//! longer: what the peer does meanwhile gains it none.

use std::time::Duration;

use super::core::Worker;
use super::handler::Handler;
use super::last_look::Timer;
use super::os::Os;
use super::record::{Flags, Side};
use super::ticks::{MAX_TIME, deadline, micros};
use super::wheel::Node;

/// No time.
const NEVER: u64 = u64::MAX;

/// The clock of one message, in the side record of its connection. Times are in microseconds.
#[derive(Debug)]
pub(crate) struct MessageClock {
    /// When the message must be whole, since the worker's start, or, while the time stands still, how much of it is left; `NEVER` while
    /// no message is under way.
    due: u64,
    /// Armed while the time runs, in a wheel of its own.
    pub(super) timer: Node,
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
    pub(super) const fn is_overdue(&self) -> bool {
        self.is_under_way() && !self.stands && !self.timer.is_armed()
    }

    /// The tick at which the time is up; `None` while it stands still, or there is no message.
    fn deadline(&self) -> Option<u32> {
        let runs = self.is_under_way() && !self.stands;
        runs.then(|| deadline(Duration::from_micros(self.due), Duration::ZERO))
    }

    fn begin(&mut self, now: Duration, time: Duration, stands: bool) {
        self.due = if stands { micros(time) } else { micros(now + time) };
        self.stands = stands;
    }

    fn stop(&mut self, now: Duration) {
        if self.is_under_way() && !std::mem::replace(&mut self.stands, true) {
            self.due = self.due.saturating_sub(micros(now));
        }
    }

    fn go_on(&mut self, now: Duration) {
        if std::mem::take(&mut self.stands) {
            self.due += micros(now);
        }
    }

    const fn forget(&mut self) {
        (self.due, self.stands) = (NEVER, false);
    }
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Gives a message that has begun its time, from now on.
    pub(super) fn begin_message_clock(&mut self, index: u32) {
        let Some(time) = self.limits.message_timeout.map(|time| time.min(MAX_TIME)) else { return };
        let stands = self.record_mut(index).flags.has(Flags::PAUSED);
        self.set_message_clock(index, |clock, now| clock.begin(now, time, stands));
    }

    /// No message is under way any more.
    pub(super) fn forget_message_clock(&mut self, index: u32) {
        let side = self.table.get(index as usize).and_then(|record| record.side.index());
        let Some(at) = side.and_then(|at| u32::try_from(at).ok()) else { return };
        let Some(side) = self.sides.get_mut(at as usize).filter(|side| side.clock.is_under_way()) else {
            return;
        };
        side.looks.forget(Timer::Message);
        side.clock.forget();
        self.message_wheel.disarm(&mut self.sides, at);
    }

    /// From now on the connection is not read from.
    pub(super) fn stop_message_clock(&mut self, index: u32) {
        self.set_message_clock(index, MessageClock::stop);
    }

    /// From now on it is.
    pub(super) fn go_on_with_message_clock(&mut self, index: u32) {
        self.set_message_clock(index, MessageClock::go_on);
    }

    fn set_message_clock(&mut self, index: u32, set: impl FnOnce(&mut MessageClock, Duration)) {
        let side = self.table.get(index as usize).and_then(|record| record.side.index());
        let Some(at) = side.and_then(|at| u32::try_from(at).ok()) else { return };
        // Not the iteration's time: what has passed of it would be taken from the peer's.
        let now = self.os.now();
        let Self { sides, message_wheel, .. } = self;
        let Some(Side { clock, .. }) = sides.get_mut(at as usize) else { return };
        set(clock, now);
        match clock.deadline() {
            Some(deadline) => message_wheel.arm(sides, at, deadline),
            None => message_wheel.disarm(sides, at),
        }
    }
}
