//! When a worker has something to do beside input and the timers of its connections.

use std::time::Duration;

use crate::worker::app::pass::Pass;
use crate::worker::app::prepared::PreparedMessage;

/// What a worker has to do of itself. Times count from its start.
#[derive(Debug, Default)]
pub(in crate::worker) struct Schedule {
    /// A phase used up its budget before its work was done: the next wait returns at once.
    pub(in crate::worker) is_unfinished: bool,
    pub(in crate::worker) housekeeping: Option<Duration>,
    /// The handler's tick: its interval, and when it is due next.
    pub(in crate::worker) tick: Option<(Duration, Duration)>,
    /// When the handler wants its next turn.
    pub(in crate::worker) turn: Option<Duration>,
    /// A broadcast that has not reached every connection. No mail is handled meanwhile, which keeps the order.
    pub(in crate::worker) broadcast: Option<Broadcast>,
    pub(in crate::worker) drain: Option<Drain>,
}

/// A message on its way to every connection of the worker.
#[derive(Debug)]
pub(in crate::worker) struct Broadcast {
    pub(in crate::worker) message: PreparedMessage,
    pub(in crate::worker) pass: Pass,
}

/// How far the end of a worker is.
#[derive(Debug)]
pub(in crate::worker) struct Drain {
    pub(in crate::worker) deadline: Duration,
    /// Over the connections that are to be closed.
    pub(in crate::worker) pass: Pass,
    /// The deadline has passed: another pass looks at the connections for the last time.
    pub(in crate::worker) is_last: bool,
}

impl Schedule {
    /// When the first of these is due.
    pub(in crate::worker) fn next(&self) -> Option<Duration> {
        let drained = self.drain.as_ref().map(|drain| drain.deadline);
        [self.housekeeping, self.tick.map(|(_, due)| due), self.turn, drained].into_iter().flatten().min()
    }
}
