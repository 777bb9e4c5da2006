//! What a worker has to do, and when, beside what its connections' timers say.

use std::time::Duration;

/// Times of a worker's own, since its start.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// A phase left work undone for want of budget: the next wait does not wait.
    pub(super) is_unfinished: bool,
    pub(super) housekeeping: Option<Duration>,
    /// The application's tick: its interval and when it is due next.
    pub(super) tick: Option<(Duration, Duration)>,
    /// When the application wants its next turn.
    pub(super) turn: Option<Duration>,
}

impl Schedule {
    /// When the first of these is due.
    pub(super) fn next(&self) -> Option<Duration> {
        [self.housekeeping, self.tick.map(|(_, due)| due), self.turn].into_iter().flatten().min()
    }
}
