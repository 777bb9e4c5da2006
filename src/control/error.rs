//! Errors that end the program, and their exit codes.

use std::fmt;
use std::process::ExitCode;

use throng::{RunError, StartError};

use super::stderr::write_line;

/// The exit code when something failed or was cut short. A service manager should restart the program after it.
const FAILURE: u8 = 1;
/// The exit code when the configuration cannot be served and restarting will not help (`EX_CONFIG` of sysexits(3)). For a command line that
/// cannot be read, clap's is 2.
const CONFIGURATION: u8 = 78;

/// Why the program ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) enum ExitError {
    /// The configuration is at fault: the operator has to change it.
    Configuration(String),
    /// Something else failed.
    Runtime(String),
}

impl ExitError {
    /// Writes the error to standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Without a reader of standard error the exit code still reports the failure.
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
