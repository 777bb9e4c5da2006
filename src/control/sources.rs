//! Settings from the environment and the configuration file, checked where they stand.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::exit::Failure;
use super::file::File;
use super::options::ServeOption;

/// What the names of all variables begin with.
const PREFIX: &str = "THRONG_";
/// The variable that names the configuration file.
pub(super) const CONFIG: &str = "THRONG_CONFIG";
/// Variables that are read elsewhere.
const OTHERS: [&str; 3] = [CONFIG, "THRONG_ADMIN_TOKEN", "THRONG_LOG"];

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
pub(super) type Values = BTreeMap<&'static str, Vec<String>>;

/// The settings in the environment.
pub(super) fn of_environment(options: &[ServeOption], environment: &Environment) -> Result<Values, Failure> {
    let mut values = Values::new();
    for option in options {
        let name = variable(option.name);
        let Some(text) = environment.text(&name)? else { continue };
        let parts = if option.is_list {
            text.split(',').map(|part| part.trim().into()).collect()
        } else {
            vec![text]
        };
        option.check(&parts).map_err(|error| Failure::Configuration(format!("{name}: {error}")))?;
        values.insert(option.name, parts);
    }
    Ok(values)
}

/// The settings in a file.
pub(super) fn of_file(options: &[ServeOption], file: &File) -> Result<Values, Failure> {
    let mut values = Values::new();
    for setting in &file.settings {
        let key = setting.key.as_str();
        let wrong = |what: String| file.failure(setting.line, &what);
        let option = options.iter().find(|option| option.name == key);
        let option = option.ok_or_else(|| wrong(unknown_key(options, key)))?;
        if setting.is_list && !option.is_list {
            return Err(wrong(format!("{key} takes one value, not a list: take the brackets away")));
        }
        option.check(&setting.values).map_err(wrong)?;
        values.insert(option.name, setting.values.clone());
    }
    Ok(values)
}

fn unknown_key(options: &[ServeOption], key: &str) -> String {
    let meant = key.replace('_', "-").to_lowercase();
    if key == "config" {
        return "unknown key `config`: a file cannot name another one".into();
    }
    if options.iter().any(|option| option.name == meant) {
        return format!("unknown key `{key}`: write `{meant}`");
    }
    format!(
        "unknown key `{key}`: the keys are the names of the options in `throng serve --help`, and `topics`"
    )
}

/// Variables that look like settings and are none.
pub(super) fn unknown(options: &[ServeOption], environment: &Environment) -> Vec<String> {
    let known: Vec<String> = options.iter().map(|option| variable(option.name)).collect();
    let is_unknown = |name: &&String| !known.contains(name) && !OTHERS.contains(&name.as_str());
    environment.0.keys().filter(is_unknown).cloned().collect()
}

/// The variable that stands for an option.
pub(super) fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('-', "_").to_uppercase())
}
