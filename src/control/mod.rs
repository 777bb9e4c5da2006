//! The control plane: everything beside the message path, on the main thread.
//!
//! It never accesses a connection. It reads the workers' counters, tells workers to end, and puts published messages into the hub's queues;
//! nothing else passes between the planes.
//!
//! - `cli`, `options`, `settings`, `sources`, `environment`, `config_file`, `topic_rules`: settings of the operator.
//! - `serve`, `signals`, `housekeeping`: the program's life cycle. `logging`, `stderr`, `error`: its log, its errors and its exit codes.
//! - `admin`: the admin port.

mod admin;
mod cli;
mod config_file;
mod environment;
mod error;
mod housekeeping;
mod logging;
mod options;
mod serve;
mod settings;
mod signals;
mod sources;
mod stderr;
#[cfg(test)]
mod tests;
mod topic_rules;

use std::process::ExitCode;

use cli::CliError;
use environment::Environment;
use error::ExitError;
use throng::sys::signals::Signals;

/// Runs the program to its end.
pub(crate) fn main() -> ExitCode {
    // Before anything else, so that no signal is lost: the kernel discards signals that process 1 has no handler for.
    let signals = match Signals::take_over() {
        Ok(signals) => signals,
        Err(error) => return ExitError::Runtime(format!("cannot take over signals: {error}")).report(),
    };
    let arguments: Vec<_> = std::env::args_os().collect();
    let served = match cli::read(&arguments, &Environment::of_process()) {
        Ok(serve) => serve::serve(serve, &signals),
        Err(CliError::CommandLine(error)) => error.exit(),
        Err(CliError::Configuration(error)) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
