//! Exit codes, by whose fault it was.

use std::fmt;
use std::process::ExitCode;

use throng::{RunError, StartError};

use super::stderr::write_line;

/// Something failed, or was cut short: also what a service manager should restart after.
const FAILURE: u8 = 1;
/// The configuration cannot be served, and restarting will not help (`EX_CONFIG` of sysexits(3)). A command line that cannot
/// be read is 2, by clap.
const CONFIGURATION: u8 = 78;

/// Why the program ends with another code than 0.
#[derive(Debug)]
pub(crate) enum ExitError {
    /// The operator has to change something.
    Configuration(String),
    /// Something else failed.
    Runtime(String),
}

impl ExitError {
    /// Says it on standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Where nobody can hear it any more, the code still tells.
        write_line(&format!("throng: {self}\n"));
        ExitCode::from(match self {
            Self::Configuration(_) => CONFIGURATION,
            Self::Runtime(_) => FAILURE,
        })
    }
}

impl From<StartError> for ExitError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(_) | StartError::Listen { .. } => Self::Configuration(error.to_string()),
            _ => Self::Runtime(error.to_string()),
        }
    }
}

impl From<RunError> for ExitError {
    fn from(error: RunError) -> Self {
        Self::Runtime(error.to_string())
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(text) | Self::Runtime(text) => f.write_str(text),
        }
    }
}
