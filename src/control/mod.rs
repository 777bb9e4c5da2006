//! The control plane: everything beside the message path, on the main thread.
//!
//! It never touches a connection. It reads the workers' counters, tells them to end, and puts what is published into the hub's queues;
//! nothing else passes between the planes.
//!
//! - `settings`, `options`, `cli`, `sources`, `file`, `rules`: what the operator sets.
//! - `serve`, `signals`, `housekeeping`, `logging`, `exit`: the program's life.
//! - `admin`: the admin port.

mod admin;
mod cli;
mod exit;
mod file;
mod housekeeping;
mod logging;
mod options;
mod rules;
mod serve;
mod settings;
mod signals;
mod sources;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use cli::Refused;
use exit::Failure;
use sources::Environment;
use throng::sys::signals::Signals;

/// Runs the program to its end.
pub(crate) fn main() -> ExitCode {
    // Before anything else, so that none is lost: the system throws those away that process 1 has no handler for.
    let signals = match Signals::take_over() {
        Ok(signals) => signals,
        Err(error) => return Failure::Runtime(format!("cannot take over signals: {error}")).report(),
    };
    let arguments: Vec<_> = std::env::args_os().collect();
    let served = match cli::read(&arguments, &Environment::of_process()) {
        Ok(serve) => serve::serve(serve, &signals),
        Err(Refused::CommandLine(error)) => error.exit(),
        Err(Refused::Configuration(failure)) => Err(failure),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
