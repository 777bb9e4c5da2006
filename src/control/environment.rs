//! The variables of the environment that belong to the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::error::ExitError;

/// The prefix of the names of all variables.
const PREFIX: &str = "THRONG_";

/// The variables of the environment whose names begin with `THRONG_`. Empty ones count as not set.
#[derive(Debug, Default)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Returns the variables of the process.
    pub(super) fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self::from_iter(variables)
    }

    /// Returns the names of all variables that are set.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Returns a variable as text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ExitError> {
        let text = self.0.get(name).map(|value| value.clone().into_string()).transpose();
        text.map_err(|_| ExitError::Configuration(format!("{name}: its value is not UTF-8")))
    }

    /// Returns a variable as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).map(PathBuf::from)
    }
}

impl FromIterator<(String, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, OsString)>>(variables: I) -> Self {
        let ours = |(name, value): &(String, OsString)| name.starts_with(PREFIX) && !value.is_empty();
        Self(variables.into_iter().filter(ours).collect())
    }
}

/// Returns the name of the variable for an option.
pub(super) fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('-', "_").to_uppercase())
}
