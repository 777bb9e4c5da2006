//! The control plane: everything beside the message path, on the main thread.
//!
//! It never touches a connection. It reads the workers' counters and tells them to end; nothing else passes between the planes.

mod admin;
mod cli;
mod exit;
mod housekeeping;
mod logging;
mod serve;
mod signals;
mod units;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Runs the program to its end.
pub(crate) fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    match command {
        Command::Serve(arguments) => match serve::serve(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
    }
}
