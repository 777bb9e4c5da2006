//! The whole worker over a simulated system, held against a model: docs/TESTING.md.
//!
//! A run is drawn from a seed, or from a string of bytes: the server's limits, its clients and what they do, when segments
//! arrive, what fails, when the clock jumps and the server ends. The worker is the real one. The first thing that is not as
//! the model has it ends the run.
//!
//! - `choices`: the source of every decision. `setup`, `steps`, `run`: the workload.
//! - `world`, `net`: the simulated kernel, which the scripted tests of the worker use as well, and the faults injected into it.
//! - `client`, `behavior`, `output`, `hostile`: clients and what they send. `parser`: what they are sent. `deflate`: their compression.
//! - `app`: the application.
//! - `model`: the expected state. `check_output`, `check_close`, `check_idle`, `read_pace`: the oracle, which compares the worker with it.
//! - `load`: a worker that has more to do than it has time for.
//! - `hub`: several workers with a hub, and modules of its own.
//! - `kernels`: the simulated kernel against Linux. `replay`, `compare`, `peer`, `server`: the same worker on both.
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

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Steps that were drawn.
    pub steps: u64,
    /// Clients that connected.
    pub clients: u64,
    /// WebSockets opened.
    pub opened: u64,
    /// Messages that the application was given.
    pub messages: u64,
    /// Compressed messages, in both directions.
    pub compressed: u64,
    /// Times that the worker would_sleep and everything was looked at.
    pub idle_checks: u64,
    /// System calls of the worker.
    pub calls: u64,
}

impl Report {
    /// Adds another run's numbers to these.
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

/// What went wrong, and what had happened until then.
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

/// Runs what a seed decides.
///
/// # Errors
/// The first violation.
pub fn run(seed: u64, profile: Profile) -> Result<Report, SimulationError> {
    run_choices(&Choices::of_seed(seed), profile)
}

/// Reads a text as a hub does that a client sends in `throng.v1`, and says whether it is a request: for a fuzzer.
#[cfg(feature = "simulation")]
#[must_use]
pub fn reads_request(text: &str) -> bool {
    crate::hub::inspect::is_request(text)
}

/// Runs what bytes decide, until there are none left: for a fuzzer.
///
/// # Errors
/// The first violation.
pub fn run_bytes(bytes: &[u8]) -> Result<Report, SimulationError> {
    run_choices(&Choices::of_bytes(bytes), Profile::Short)
}

fn run_choices(choices: &Choices, profile: Profile) -> Result<Report, SimulationError> {
    let mut run = Run::new(Setup::draw(profile, choices), choices);
    // A debug assertion of the worker's is a violation like others, and the trace says what led to it.
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

/// The violation that a panic is.
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
