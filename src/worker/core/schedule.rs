//! The work of a worker that comes neither from input nor from the timers of its connections.

use std::time::Duration;

use crate::worker::app::prepared::PreparedMessage;
use crate::worker::app::slices::SliceCursor;

/// The work that a worker does without input. Times count from the worker's start.
#[derive(Debug, Default)]
pub(in crate::worker) struct Schedule {
    /// Whether a phase used up its budget before its work was done: the next wait returns at once.
    pub(in crate::worker) is_unfinished: bool,
    pub(in crate::worker) housekeeping: Option<Duration>,
    /// The handler's tick: its interval, and when it is due next.
    pub(in crate::worker) tick: Option<(Duration, Duration)>,
    /// When the handler's next turn is due.
    pub(in crate::worker) turn: Option<Duration>,
    /// A broadcast that has not reached every connection. The worker handles no mail until it has, which keeps the order.
    pub(in crate::worker) broadcast: Option<ActiveBroadcast>,
    pub(in crate::worker) drain: Option<Drain>,
}

/// A message on its way to every connection of the worker.
#[derive(Debug)]
pub(in crate::worker) struct ActiveBroadcast {
    pub(in crate::worker) message: PreparedMessage,
    pub(in crate::worker) cursor: SliceCursor,
}

/// The progress of a worker's orderly end.
#[derive(Debug)]
pub(in crate::worker) struct Drain {
    pub(in crate::worker) deadline: Duration,
    /// The position among the connections, which are closed in slices.
    pub(in crate::worker) cursor: SliceCursor,
    /// Whether the deadline has passed: the connections are then visited for the last time.
    pub(in crate::worker) is_last: bool,
}

impl Schedule {
    /// Returns the time at which the first of these tasks is due.
    pub(in crate::worker) fn next(&self) -> Option<Duration> {
        let drained = self.drain.as_ref().map(|drain| drain.deadline);
        [self.housekeeping, self.tick.map(|(_, due)| due), self.turn, drained].into_iter().flatten().min()
    }
}
