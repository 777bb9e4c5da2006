//! What the threads of an engine and the main thread share.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::echo::{EchoRun, Echoed};
use super::feed::Received;
use crate::measure::distribution::Distribution;
use crate::measure::reasons::{Reasons, add_fields};

/// What the engine is about. It only ever moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// Threads are ready and idle.
    Wait,
    /// Connections are being opened.
    Ramp,
    /// All have opened or failed.
    Hold,
    /// Messages go to the server and come back, for a while.
    Echo,
    /// Nothing is published any more; subscribers that have never read do now.
    Wake,
    /// Nothing is published any more; what subscribers have received is looked at.
    Count,
    /// Connections are being closed.
    Close,
    /// Threads drop everything.
    Abort,
}

/// The counts of an engine, or of one of its threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Connections that opened.
    pub(crate) opened: u64,
    /// Connections that did not.
    pub(crate) failed: u64,
    /// Connections open now.
    pub(crate) open: u64,
    /// Connections lost after they had opened.
    pub(crate) lost: u64,
    /// Connections closed in order.
    pub(crate) closed: u64,
    /// Pings answered.
    pub(crate) pings_answered: u64,
    /// Pings answered since the hold began by the open connection that answered fewest.
    pub(crate) min_pings: u64,
    /// Messages received.
    pub(crate) messages_in: u64,
}

add_fields!(Counts { opened, failed, open, lost, closed, pings_answered, messages_in });

/// What a thread has told of itself, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Told<T> {
    pub(super) counts: Counts,
    /// From the start until the thread's last connection opened or failed.
    pub(super) settled: Duration,
    /// What its visits have counted, a few times a second.
    pub(super) tally: T,
}

/// What is too rare or too large to be told at every turn.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) failed: Reasons,
    pub(super) lost: Reasons,
    pub(super) unclean: Reasons,
    /// Of the threads whose connections have all opened or failed.
    pub(super) latency: Distribution,
    /// Of the same threads.
    pub(super) agreed: Reasons,
    /// Of the threads that are done with it.
    pub(super) echoed: Echoed,
    /// Their number.
    pub(super) done_echoing: usize,
    /// Of the threads that have counted it.
    pub(super) received: Received,
    /// Their number.
    pub(super) done_counting: usize,
}

#[derive(Debug)]
pub(super) struct Shared<T> {
    phase: AtomicU8,
    started: OnceLock<Instant>,
    echo: OnceLock<Arc<EchoRun>>,
    told: Vec<Mutex<Told<T>>>,
    ledger: Mutex<Ledger>,
}

impl<T: for<'a> AddAssign<&'a T> + Default> Shared<T> {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Wait as u8),
            started: OnceLock::new(),
            echo: OnceLock::new(),
            told: (0..threads).map(|_| Mutex::default()).collect(),
            ledger: Mutex::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        use Phase::{Abort, Close, Count, Echo, Hold, Ramp, Wait, Wake};
        [Wait, Ramp, Hold, Echo, Wake, Count, Close, Abort][usize::from(self.phase.load(Ordering::Acquire))]
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub(super) fn start_clock(&self) {
        self.started.get_or_init(Instant::now);
    }

    pub(super) fn started(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// Sets what is to be echoed. An engine does so once.
    pub(super) fn set_echo(&self, run: EchoRun) {
        self.ledger().echoed = Echoed::of(&run.plan);
        let first = self.echo.set(Arc::new(run)).is_ok();
        debug_assert!(first, "an engine echoes once");
    }

    pub(super) fn echo(&self) -> Option<Arc<EchoRun>> {
        self.echo.get().cloned()
    }

    pub(super) fn told(&self, thread: usize) -> MutexGuard<'_, Told<T>> {
        lock(&self.told[thread])
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn ramp_time(&self) -> Duration {
        self.told.iter().map(|told| lock(told).settled).max().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        let mut min_pings = None;
        for counts in self.told.iter().map(|told| lock(told).counts) {
            sum += &counts;
            if counts.opened > 0 {
                min_pings = Some(min_pings.map_or(counts.min_pings, |min: u64| min.min(counts.min_pings)));
            }
        }
        sum.min_pings = min_pings.unwrap_or(0);
        sum
    }

    pub(super) fn tally(&self) -> T {
        let mut sum = T::default();
        self.told.iter().for_each(|told| sum += &lock(told).tally);
        sum
    }
}

/// A panic elsewhere does not make counts wrong.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::once::NoTally;
    use super::*;

    #[test]
    fn counts_add_up_and_the_minimum_is_that_of_threads_with_connections() {
        let shared = Shared::<NoTally>::new(3);
        shared.told(0).counts = Counts { opened: 2, open: 1, lost: 1, min_pings: 4, ..Counts::default() };
        shared.told(1).counts = Counts { opened: 3, open: 3, min_pings: 2, ..Counts::default() };
        let counts = shared.counts();
        assert_eq!((counts.opened, counts.open, counts.lost, counts.min_pings), (5, 4, 1, 2));
    }

    #[test]
    fn phases_only_move_on() {
        let shared = Shared::<NoTally>::new(1);
        shared.enter(Phase::Close);
        shared.enter(Phase::Hold);
        assert_eq!(shared.phase(), Phase::Close);
    }
}
