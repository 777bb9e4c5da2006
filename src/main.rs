//! The `throng` program: arguments, configuration, a server, an exit code.
#![forbid(unsafe_code)]

mod app;
mod control;

use std::process::ExitCode;

fn main() -> ExitCode {
    control::main()
}
