//! Settings from the environment and the configuration file: checked where they stand, then defaults of the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use super::exit::Failure;
use super::file::File;

/// What the names of all variables begin with.
const PREFIX: &str = "THRONG_";
/// Variables that are read elsewhere.
const OTHERS: [&str; 2] = ["THRONG_ADMIN_TOKEN", "THRONG_LOG"];

/// The variables of the environment whose names begin with `THRONG_`. Empty ones count as not set.
#[derive(Debug, Default)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// That of the process.
    pub(super) fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self::from_iter(variables)
    }

    /// A variable as text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        let text = self.0.get(name).map(|value| value.clone().into_string()).transpose();
        text.map_err(|_| Failure::Configuration(format!("{name}: its value is not UTF-8")))
    }

    /// A variable as a path.
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

/// Values of settings, by the names of the options.
pub(super) type Values = BTreeMap<String, Vec<String>>;

/// The settings in the environment.
pub(super) fn of_environment(table: &Command, environment: &Environment) -> Result<Values, Failure> {
    let mut values = Values::new();
    for arg in table.get_arguments() {
        let Some(key) = arg.get_long() else { continue };
        let name = variable(key);
        let Some(text) = environment.text(&name)? else { continue };
        let parts =
            if is_list(arg) { text.split(',').map(|part| part.trim().into()).collect() } else { vec![text] };
        check(arg, key, &parts).map_err(|error| Failure::Configuration(format!("{name}: {error}")))?;
        values.insert(key.into(), parts);
    }
    Ok(values)
}

/// The settings in a file.
pub(super) fn of_file(table: &Command, file: &File) -> Result<Values, Failure> {
    let mut values = Values::new();
    for setting in &file.settings {
        let key = setting.key.as_str();
        let wrong = |what: String| file.failure(setting.line, &what);
        let arg = table.get_arguments().find(|arg| arg.get_long() == Some(key) && key != "config");
        let arg = arg.ok_or_else(|| wrong(unknown_key(table, key)))?;
        if setting.is_list && !is_list(arg) {
            return Err(wrong(format!("{key} takes one value, not a list: take the brackets away")));
        }
        check(arg, key, &setting.values).map_err(wrong)?;
        values.insert(key.into(), setting.values.clone());
    }
    Ok(values)
}

fn unknown_key(table: &Command, key: &str) -> String {
    let meant = key.replace('_', "-").to_lowercase();
    if key == "config" {
        return "unknown key `config`: a file cannot name another one".into();
    }
    if table.get_arguments().any(|arg| arg.get_long() == Some(&meant)) {
        return format!("unknown key `{key}`: write `{meant}`");
    }
    format!(
        "unknown key `{key}`: the keys are the names of the options in `throng serve --help`, and `topics`"
    )
}

/// Variables that look like settings and are none.
pub(super) fn unknown(table: &Command, environment: &Environment) -> Vec<String> {
    let known: Vec<String> = table.get_arguments().filter_map(Arg::get_long).map(variable).collect();
    let is_unknown = |name: &&String| !known.contains(name) && !OTHERS.contains(&name.as_str());
    environment.0.keys().filter(is_unknown).cloned().collect()
}

/// Makes the values the defaults of the options, those of later sources before those of earlier ones.
pub(super) fn stand_in<const N: usize>(serve: Command, sources: [Values; N]) -> Command {
    let all: Values = sources.into_iter().flatten().collect();
    serve.mut_args(|arg| match arg.get_long().and_then(|key| all.get(key)) {
        Some(values) => arg.required(false).default_values(values.clone()),
        None => arg,
    })
}

/// The variable that stands for an option.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('-', "_").to_uppercase())
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether the command line would take the values: what it says if not, in one line.
fn check(arg: &Arg, key: &str, values: &[String]) -> Result<(), String> {
    let alone = Command::new("throng").no_binary_name(true).arg(arg.clone().required(false));
    let Err(error) = alone.try_get_matches_from(values.iter().map(|value| format!("--{key}={value}"))) else {
        return Ok(());
    };
    let said = error.to_string();
    let what = said.split("\n\n").next().unwrap_or(&said).trim_start_matches("error: ");
    Err(what.split_whitespace().collect::<Vec<_>>().join(" "))
}
