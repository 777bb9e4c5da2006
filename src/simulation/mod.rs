//! The whole worker over a simulated system, checked against a model: docs/TESTING.md.
//!
//! A seed or a string of bytes decides a run: the server's limits, its clients and their actions, the arrival of segments, the failures,
//! and when the clock jumps and the server ends. The worker is the real one. The first deviation from the model ends the run.
//!
//! - `choices`: the source of every decision. `setup`, `steps`, `run`: the workload.
//! - `world`, `net`: the simulated kernel, which the scripted tests of the worker use as well, and the faults injected into it.
//! - `client`, `behavior`, `output`, `hostile`: clients and the bytes that they send. `parser`: the bytes that they receive. `deflate`:
//!   their compression.
//! - `app`: the application.
//! - `model`: the expected state. `check_output`, `check_close`, `check_idle`, `read_pace`: the oracle, which compares the worker with the
//!   model.
//! - `load`: an overloaded worker.
//! - `hub`: several workers with a hub; it has modules of its own.
//! - `kernels`: the simulated kernel against Linux. `replay`, `compare`, `peer`, `server`: the same worker on both kernels.
#![forbid(unsafe_code)]

mod app;
mod behavior;
mod check_close;
mod check_idle;
mod check_output;
mod choices;
mod client;
mod compare;
pub(crate) mod connection;
mod deflate;
mod finish;
mod hostile;
#[cfg(feature = "simulation")]
mod hub;
mod injection;
mod kernel;
mod kernels;
mod load;
mod mailbox;
mod model;
pub(crate) mod net;
mod output;
mod parser;
mod peer;
mod read_pace;
mod replay;
mod run;
mod server;
mod setup;
mod steps;
mod workload;
pub(crate) mod world;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use choices::Choices;
#[cfg(feature = "simulation")]
pub use hub::{HubReport, run_hub};
pub use kernels::compare_kernels;
pub use load::{LoadReport, run_load};
pub use replay::{Replay, replay};
use run::{Run, Violation};
pub use setup::Profile;
use setup::Setup;

/// The counts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Steps of the workload.
    pub steps: u64,
    /// Clients that connected.
    pub clients: u64,
    /// WebSockets opened.
    pub opened: u64,
    /// Messages that the application received.
    pub messages: u64,
    /// Compressed messages, in both directions.
    pub compressed: u64,
    /// Checks of the whole state, made whenever the worker would sleep.
    pub idle_checks: u64,
    /// System calls of the worker.
    pub calls: u64,
}

impl Report {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.clients += other.clients;
        self.opened += other.opened;
        self.messages += other.messages;
        self.compressed += other.compressed;
        self.idle_checks += other.idle_checks;
        self.calls += other.calls;
    }
}

/// The first violation of a run, and the events before it.
#[derive(Debug, Clone)]
pub struct SimulationError {
    /// The rule that was broken.
    pub violation: String,
    /// The last lines of the trace.
    pub trace: String,
}

impl fmt::Display for SimulationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nthe last that happened:\n{}", self.violation, self.trace)
    }
}

impl std::error::Error for SimulationError {}

/// Runs the simulation that a seed decides.
///
/// # Errors
/// Returns the first violation.
pub fn run(seed: u64, profile: Profile) -> Result<Report, SimulationError> {
    run_choices(&Choices::of_seed(seed), profile)
}

/// Returns whether a hub parses `text` as a request of a `throng.v1` client: for a fuzzer.
#[cfg(feature = "simulation")]
#[must_use]
pub fn reads_request(text: &str) -> bool {
    crate::hub::inspect::is_request(text)
}

/// Runs the simulation that a string of bytes decides, until its end: for a fuzzer.
///
/// # Errors
/// Returns the first violation.
pub fn run_bytes(bytes: &[u8]) -> Result<Report, SimulationError> {
    run_choices(&Choices::of_bytes(bytes), Profile::Short)
}

fn run_choices(choices: &Choices, profile: Profile) -> Result<Report, SimulationError> {
    let mut run = Run::new(Setup::draw(profile, choices), choices);
    // A debug assertion in the worker is a violation like others, and the trace shows the events before it.
    let outcome = catch_unwind(AssertUnwindSafe(|| run.play()));
    let outcome = outcome.unwrap_or_else(panicked);
    let model = run.model.try_borrow();
    match outcome {
        Ok(steps) => {
            let counters = run.counters();
            let (clients, calls) =
                (run.world.borrow().connections.len() as u64, run.world.borrow().calls as u64);
            Ok(Report {
                steps: steps as u64,
                clients,
                opened: counters.opened.get(),
                messages: counters.messages_in.get(),
                compressed: counters.compressed_in.get() + counters.compressed_out.get(),
                idle_checks: run.idle_checks as u64,
                calls,
            })
        }
        Err(violation) => {
            let trace = model
                .map_or_else(|_| "(in use)".into(), |model| format!("{:?}\n{}", model.setup, model.tail()));
            Err(SimulationError { violation, trace })
        }
    }
}

/// Turns a panic into a violation.
fn panicked<T>(panic: Box<dyn Any + Send>) -> Result<T, Violation> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
    Err(format!("the worker panicked: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: a signal in every wait was taken for a loop that spins.
    #[test]
    fn a_storm_of_signals_is_no_spinning() {
        run_bytes(&[0xff; 400]).unwrap();
    }
}
