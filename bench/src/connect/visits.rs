//! The threads whose connections come and go, as the main thread sees them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::Leave;
use super::client::Client;
use crate::engine::sources::Sources;
use crate::engine::target::Target;
use crate::engine::{Timeouts, join_threads, set_up_thread};
use crate::measure::distribution::Distribution;
use crate::measure::reasons::Reasons;
use crate::measure::threads::Threads;

/// Threads start within so long.
const LEAD: Duration = Duration::from_millis(100);

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) sources: Sources,
    /// Connections there at the same time, over all threads.
    pub(super) connections: usize,
    pub(super) threads: Threads,
    /// Connections to begin per second, over all threads; `None` for as many as can be.
    pub(super) rate: Option<f64>,
    pub(super) stay: Duration,
    pub(super) leave: Leave,
    pub(super) raw: bool,
    pub(super) sample_key: bool,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
    pub(super) timeouts: Timeouts,
    pub(super) seed: u64,
}

/// What came of it, in one thread or in all.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: u64,
    pub(super) failed: Reasons,
    pub(super) lost: Reasons,
    pub(super) unclean: Reasons,
    pub(super) not_begun: u64,
    pub(super) behind_us: u64,
    pub(super) latency: Distribution,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.not_begun += other.not_begun;
        self.behind_us = self.behind_us.max(other.behind_us);
        self.latency.add(&other.latency);
        self.failed += &other.failed;
        self.lost += &other.lost;
        self.unclean += &other.unclean;
    }
}

/// Running threads. Dropping them ends them, and with them their connections.
#[derive(Debug)]
pub(super) struct Visits {
    start: Instant,
    end: Instant,
    /// Set when threads are to drop everything.
    abort: Arc<AtomicBool>,
    counts: Arc<Mutex<Counts>>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Visits {
    /// Starts the threads.
    pub(super) fn start(plan: Plan) -> anyhow::Result<Self> {
        let plan = Arc::new(plan);
        let start = Instant::now() + LEAD;
        let end = start + plan.warm_up + plan.time;
        let threads = Vec::with_capacity(plan.threads.count);
        let mut visits = Self { start, end, abort: Arc::default(), counts: Arc::default(), threads };
        for number in 0..plan.threads.count {
            let (plan, abort, counts) =
                (Arc::clone(&plan), Arc::clone(&visits.abort), Arc::clone(&visits.counts));
            let run = move || {
                set_up_thread(plan.threads)?;
                let own = Client::new(number, plan, start)?.run(&abort)?;
                counts.lock().unwrap_or_else(PoisonError::into_inner).add(&own);
                Ok(())
            };
            let thread = std::thread::Builder::new().name(format!("connect-{number}")).spawn(run);
            visits.threads.push(thread.context("cannot start a thread")?);
        }
        Ok(visits)
    }

    /// When the warm-up begins.
    pub(super) const fn began(&self) -> Instant {
        self.start
    }

    /// Whether a thread has ended before its time: none does unless it failed.
    pub(super) fn has_failed(&self) -> bool {
        Instant::now() < self.end && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether all threads have ended.
    pub(super) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end of all threads.
    pub(super) fn finish(mut self) -> anyhow::Result<Counts> {
        join_threads(&mut self.threads)?;
        Ok(std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Visits {
    fn drop(&mut self) {
        self.abort.store(true, Ordering::Relaxed);
        // What went wrong in a thread has been reported, or the caller has something worse to tell.
        let _ = join_threads(&mut self.threads);
    }
}
