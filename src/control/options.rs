//! The options of `throng serve`: one for each setting.

use std::collections::BTreeMap;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};
use throng::Config;
use throng::hub::HubConfig;
use throng::settings::SettingsTable;
use throng::settings::kinds::Setting;

use super::settings::{ProgramConfig, Settings};

/// An option, which is also a variable of the environment and a key of the file.
pub(super) struct ServeOption {
    /// The option on the command line.
    pub(super) arg: Arg,
    pub(super) name: &'static str,
    pub(super) is_list: bool,
    read: Box<Read>,
}

/// Values of settings, by the names of the options.
pub(super) type Values = BTreeMap<&'static str, Vec<String>>;

/// Sets a setting to the given values.
type Read = dyn Fn(&mut Settings, &[&str]) -> Result<(), String>;

/// How a list is given, at the end of its help text.
const LIST_HELP: &str = ". The option may be repeated; the environment variable takes a list separated by commas, and the file a TOML list";

/// Returns all options, in the order of the documentation.
pub(super) fn all() -> Vec<ServeOption> {
    let server = of_table::<Config>(|settings| &mut settings.server);
    let hub = of_table::<HubConfig>(|settings| &mut settings.hub);
    server.chain(hub).chain(of_table::<ProgramConfig>(|settings| &mut settings.program)).collect()
}

/// Returns the settings with the given values, and defaults for the others.
///
/// # Errors
/// A value that cannot be read, with the name of its option.
pub(super) fn apply(options: &[ServeOption], given: &Values) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for option in options {
        if let Some(values) = given.get(option.name) {
            option.read(&mut settings, values).map_err(|error| format!("{}: {error}", option.name))?;
        }
    }
    if !given.contains_key("queue-limit") {
        settings.hub.queue_limit = settings.hub.queue_limit.max(settings.least_queue());
    }
    Ok(settings)
}

fn of_table<C: SettingsTable>(part: fn(&mut Settings) -> &mut C) -> impl Iterator<Item = ServeOption> {
    C::SETTINGS.iter().map(move |setting| ServeOption {
        arg: arg(setting),
        name: setting.name,
        is_list: setting.form.is_list,
        read: Box::new(move |settings, texts| (setting.read)(part(settings), texts)),
    })
}

/// Makes the command line's option for a setting. Its values stay texts, after a check that they can be read.
fn arg<C: SettingsTable>(setting: &'static Setting<C>) -> Arg {
    let form = setting.form;
    let help = plain(setting.help);
    let help = if form.is_list { help + LIST_HELP } else { help };
    let arg = Arg::new(setting.name).long(setting.name).help(help);
    let arg = arg.default_values((setting.show)(&C::default())).required(form.is_list);
    let arg = arg.action(if form.is_list { ArgAction::Append } else { ArgAction::Set });
    let choices = (form.choices)();
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    match names[..] {
        [] => {
            let read = |text: &str| (setting.read)(&mut C::default(), &[text]).map(|()| text.to_owned());
            arg.value_name(form.placeholder).value_parser(read)
        }
        // A switch: its name says what `true` means.
        ["true", "false"] => {
            let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            arg.value_name("BOOL").value_parser(PossibleValuesParser::new(names))
        }
        _ => {
            let choices = choices.into_iter().map(|(name, text)| PossibleValue::new(name).help(plain(text)));
            arg.value_name(setting.name.to_uppercase()).value_parser(PossibleValuesParser::new(choices))
        }
    }
}

/// Converts a doc comment to help text: one line, without the full stop.
fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

impl ServeOption {
    /// Sets the setting to the given values.
    pub(super) fn read(&self, settings: &mut Settings, texts: &[String]) -> Result<(), String> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        (self.read)(settings, &texts)
    }

    /// Returns the values on the command line, if there are any.
    pub(super) fn given(&self, matches: &ArgMatches) -> Option<Vec<String>> {
        let is_given = matches.value_source(self.name) == Some(ValueSource::CommandLine);
        matches.get_many(self.name).filter(|_| is_given).map(|texts| texts.cloned().collect())
    }

    /// Checks values from another source like the command line does. Returns clap's error in one line.
    pub(super) fn check(&self, values: &[String]) -> Result<(), String> {
        let alone = Command::new("throng").no_binary_name(true).arg(self.arg.clone().required(false));
        let arguments = values.iter().map(|value| format!("--{}={value}", self.name));
        let Err(error) = alone.try_get_matches_from(arguments) else { return Ok(()) };
        let said = error.to_string();
        let what = said.split("\n\n").next().unwrap_or(&said).trim_start_matches("error: ");
        Err(what.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}
