//! Settings from the environment and the configuration file, checked in their source.

use super::config_file::ConfigFile;
use super::environment::{Environment, variable};
use super::error::ExitError;
use super::options::{ServeOption, Values};

/// The variable with the path of the configuration file.
pub(super) const CONFIG: &str = "THRONG_CONFIG";
/// Variables that other modules read.
const OTHERS: [&str; 3] = [CONFIG, "THRONG_ADMIN_TOKEN", "THRONG_LOG"];

/// Reads the settings in the environment.
pub(super) fn of_environment(
    options: &[ServeOption],
    environment: &Environment,
) -> Result<Values, ExitError> {
    let mut values = Values::new();
    for option in options {
        let name = variable(option.name);
        let Some(text) = environment.text(&name)? else { continue };
        let parts = if option.is_list {
            text.split(',').map(|part| part.trim().into()).collect()
        } else {
            vec![text]
        };
        option.check(&parts).map_err(|error| ExitError::Configuration(format!("{name}: {error}")))?;
        values.insert(option.name, parts);
    }
    Ok(values)
}

/// Reads the settings in a file.
pub(super) fn of_file(options: &[ServeOption], file: &ConfigFile) -> Result<Values, ExitError> {
    let mut values = Values::new();
    for entry in &file.entries {
        let key = entry.key.as_str();
        let wrong = |what: String| file.error(entry.line, &what);
        let option = options.iter().find(|option| option.name == key);
        let option = option.ok_or_else(|| wrong(unknown_key(options, key)))?;
        if entry.is_list && !option.is_list {
            return Err(wrong(format!("{key} takes one value, not a list: take the brackets away")));
        }
        option.check(&entry.values).map_err(wrong)?;
        values.insert(option.name, entry.values.clone());
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

/// Returns the names of variables that look like settings but are none.
pub(super) fn unknown(options: &[ServeOption], environment: &Environment) -> Vec<String> {
    let known: Vec<String> = options.iter().map(|option| variable(option.name)).collect();
    let is_unknown = |name: &&String| !known.contains(name) && !OTHERS.contains(&name.as_str());
    environment.names().filter(is_unknown).cloned().collect()
}
