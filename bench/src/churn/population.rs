//! A population of visitors: threads with an event loop each, as an engine has them.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;

use super::client::Client;
use super::shared::{Shared, Stage, Visits};
use super::visit::Habits;
use crate::engine::sources::Sources;
use crate::engine::target::Target;
use crate::engine::{Timeouts, join_threads, set_up_thread};
use crate::measure::threads::Threads;

/// What a population is to do.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) sources: Sources,
    /// Slots for visitors, over all threads.
    pub(super) slots: usize,
    pub(super) threads: Threads,
    /// Most connections, over all threads, that are being opened, or closed at the end, at the same time.
    pub(super) in_flight: usize,
    pub(super) timeouts: Timeouts,
    pub(super) habits: Habits,
}

/// A running population. Dropping it ends its threads, and with them its connections.
#[derive(Debug)]
pub(super) struct Population {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Population {
    /// Starts the threads; the first visitors come at once.
    pub(super) fn start(plan: Plan) -> anyhow::Result<Self> {
        let plan = Arc::new(plan);
        let mut population = Self { shared: Arc::new(Shared::new(plan.threads.count)), threads: Vec::new() };
        for number in 0..plan.threads.count {
            let (plan, shared) = (Arc::clone(&plan), Arc::clone(&population.shared));
            let run = move || {
                set_up_thread(plan.threads)?;
                Client::new(number, plan, &shared)?.run()
            };
            let thread = std::thread::Builder::new().name(format!("churn-{number}")).spawn(run);
            population.threads.push(thread.context("cannot start a thread")?);
        }
        Ok(population)
    }

    /// The visits so far, as of some milliseconds ago.
    pub(super) fn visits(&self) -> Visits {
        self.shared.visits()
    }

    /// Whether a thread has ended, which none does before [`close`](Self::close) unless it failed.
    pub(super) fn has_ended_thread(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Has everybody leave in order, and nobody come.
    pub(super) fn close(&self) {
        self.shared.enter(Stage::Close);
    }

    /// Whether all threads have ended.
    pub(super) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end of all threads.
    pub(super) fn finish(mut self) -> anyhow::Result<Visits> {
        self.close();
        self.join()?;
        Ok(self.visits())
    }

    fn join(&mut self) -> anyhow::Result<()> {
        join_threads(&mut self.threads)
    }
}

impl Drop for Population {
    fn drop(&mut self) {
        self.shared.enter(Stage::Abort);
        // What went wrong in a thread has been reported, or the caller has something worse to tell.
        let _ = self.join();
    }
}
