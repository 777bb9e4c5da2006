//! The control plane: everything beside the message path, on the main thread.
//!
//! It never touches a connection. It reads the workers' counters and tells them to end; nothing else passes between the planes.

mod admin;
mod cli;
mod exit;
mod file;
mod housekeeping;
mod logging;
mod rules;
mod serve;
mod settings;
mod signals;
mod sources;
#[cfg(test)]
mod tests;
mod units;

use std::process::ExitCode;

use cli::Refused;
use sources::Environment;

/// Runs the program to its end.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let served = match cli::read(&arguments, &Environment::of_process()) {
        Ok(serve) => serve::serve(serve),
        Err(Refused::CommandLine(error)) => error.exit(),
        Err(Refused::Configuration(failure)) => Err(failure),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
