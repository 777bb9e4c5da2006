//! Several workers with one hub between them, checked against a model: docs/TESTING.md.
//!
//! The workers, their handlers and the queues between them are the real ones. Each worker has a simulated system of its own, and runs an
//! iteration only when that system or the worker's own timeout would wake it up. Owners of topics record their decisions
//! ([`journal`](crate::hub::journal)), which a model of topics and histories checks; the messages to each client are then checked against
//! the model.
//!
//! - `setup`, `steps`, `replays`, `run`: the workload.
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

/// The counts of a run with a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubReport {
    /// Steps of the workload.
    pub steps: u64,
    /// Clients that connected.
    pub clients: u64,
    /// Messages that received an offset in a topic.
    pub published: u64,
    /// Messages and announcements that clients have received.
    pub received: u64,
    /// Subscriptions that continued at the client's position.
    pub recovered: u64,
    /// Subscriptions that began with a gap.
    pub gaps: u64,
    /// Messages that were dropped for slow clients.
    pub dropped: u64,
    /// Checks of the whole state.
    pub idle_checks: u64,
}

impl HubReport {
    /// Adds the counts of another run.
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

/// Runs the simulation that a seed decides.
///
/// # Errors
/// Returns the first violation.
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
