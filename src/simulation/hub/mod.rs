//! Several workers with one hub between them, held against a model: docs/TESTING.md.
//!
//! The workers, their handlers and the queues between them are the real ones; each worker has a simulated system of its own, and is
//! iterated only when that, or its own timeout, would have it wake up. Homes write down what they decide
//! ([`journal`](crate::hub::journal)), which a model of topics and histories checks; what each client is told is then held against that.
//!
//! - `setup`, `steps`, `replays`, `run`: what happens.
//! - `nodes`: the workers. `wire`: a client's connection.
//! - `model`, `view`, `requests`, `check_idle`: the model.

mod check_idle;
mod model;
mod nodes;
mod replays;
mod requests;
mod run;
mod setup;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turns;
mod view;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::SimulationError;
use super::choices::Choices;
use run::Run;
use setup::Setup;

/// What a run with a hub came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubReport {
    /// Steps that were drawn.
    pub steps: u64,
    /// Clients that connected.
    pub clients: u64,
    /// Messages that got a place in a topic.
    pub published: u64,
    /// Messages and announcements that clients have got.
    pub received: u64,
    /// Subscriptions that went on where they had been.
    pub recovered: u64,
    /// Subscriptions that had missed something for good.
    pub gaps: u64,
    /// Messages that slow clients did not get.
    pub dropped: u64,
    /// Times that everything was looked at.
    pub idle_checks: u64,
}

impl HubReport {
    /// Adds another run's numbers to these.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.clients += other.clients;
        self.published += other.published;
        self.received += other.received;
        self.recovered += other.recovered;
        self.gaps += other.gaps;
        self.dropped += other.dropped;
        self.idle_checks += other.idle_checks;
    }
}

/// Runs what a seed decides.
///
/// # Errors
/// The first violation.
pub fn run_hub(seed: u64) -> Result<HubReport, SimulationError> {
    let choices = Choices::of_seed(seed);
    let mut run = Run::new(Setup::draw(&choices), &choices);
    let outcome = catch_unwind(AssertUnwindSafe(|| run.play())).unwrap_or_else(super::panicked);
    let steps = outcome.map_err(|violation| SimulationError { violation, trace: run.tail() })?;
    let stats = run.nodes.hub.stats();
    let mut report = HubReport {
        steps,
        clients: run.clients.len() as u64,
        published: run.model.placed,
        dropped: stats.dropped_newest + stats.displaced,
        idle_checks: run.idle_checks,
        ..HubReport::default()
    };
    for client in &run.clients {
        report.received += client.view.received;
        report.recovered += client.view.recovered;
        report.gaps += client.view.gaps;
    }
    Ok(report)
}
