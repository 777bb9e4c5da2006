//! What the workers and the main thread share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;
use throng::sys::eventfd::EventFd;

use super::cast::Cast;
use crate::servers::counts::FloorStats;

/// A histogram of round trips in microseconds, one digit exact: 3 KiB.
pub(super) fn round_trips() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 1 << 27, 1).expect("constant bounds that the histogram accepts")
}

/// What the workers and the main thread share: memory only.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stop: AtomicBool,
    pub(super) tallies: Vec<Tally>,
    /// What is to be sent, a list for each worker.
    mail: Vec<Mutex<Vec<Arc<Cast>>>>,
    /// What wakes the workers. They were made before the workers' descriptor tables, so that their numbers are the same there.
    wakers: Vec<EventFd>,
}

/// One worker's counts, which only it writes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) open: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) pings_sent: AtomicU64,
    pub(super) pongs_received: AtomicU64,
    round_trips: Mutex<Histogram<u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            pings_sent: AtomicU64::new(0),
            pongs_received: AtomicU64::new(0),
            round_trips: Mutex::new(round_trips()),
        }
    }
}

impl Tally {
    /// A panic elsewhere does not make counts wrong.
    pub(super) fn round_trips(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.round_trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    pub(super) fn new(workers: usize) -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            tallies: (0..workers).map(|_| Tally::default()).collect(),
            mail: (0..workers).map(|_| Mutex::default()).collect(),
            wakers: (0..workers).map(|_| EventFd::new()).collect::<io::Result<_>>()?,
        })
    }

    /// What has come for a worker to send.
    pub(super) fn take_mail(&self, worker: usize) -> Vec<Arc<Cast>> {
        std::mem::take(&mut *self.mail[worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The descriptor that wakes a worker: the same number in every table.
    pub(super) fn waker(&self, worker: usize) -> BorrowedFd<'_> {
        self.wakers[worker].as_fd()
    }

    pub(super) fn cast(&self, cast: Cast) -> io::Result<()> {
        let cast = Arc::new(cast);
        for (mail, waker) in self.mail.iter().zip(&self.wakers) {
            mail.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cast));
            waker.signal()?;
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> FloorStats {
        let sum = |of: fn(&Tally) -> &AtomicU64| {
            self.tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
        };
        let mut round_trips = round_trips();
        for tally in &self.tallies {
            // Both have the same bounds, so that adding cannot fail.
            let _ = round_trips.add(&*tally.round_trips());
        }
        FloorStats {
            open: sum(|tally| &tally.open),
            accepted: sum(|tally| &tally.accepted),
            pings_sent: sum(|tally| &tally.pings_sent),
            pongs_received: sum(|tally| &tally.pongs_received),
            ping_rtt_us: round_trips
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
        }
    }
}
