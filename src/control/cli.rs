//! The command line, with the environment and the configuration file behind it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::admin::AdminToken;
use super::config_file::ConfigFile;
use super::environment::Environment;
use super::error::ExitError;
use super::logging::Filter;
use super::options::{self, ServeOption};
use super::settings::Settings;
use super::sources;

/// The text after the options in `--help`.
const SOURCES: &str = "\
Each option can be given as a variable of the environment instead, THRONG_ and its name in capitals with underscores \
(THRONG_MAX_CONNECTIONS=200k), or in the file of --config by its name (max-connections = 200000). The command line comes before the \
environment, and the environment before the file. A variable that is empty counts as not set.";

/// The description of `throng serve`. `ENDS` describes its output and its exit codes.
const SERVE: &str = "\
Runs the server until SIGTERM, SIGINT or SIGQUIT, which end it in order; a second one ends it at once if it comes a second later \
or more. SIGHUP, SIGUSR1 and SIGUSR2 are logged and ignored";
const ENDS: &str = "\
When every worker listens, it prints one line of JSON on standard output: the addresses, the number of workers, and whether they \
have descriptor tables of their own. Exit codes: 0 after an orderly end, 1 when something failed or the end was cut short, 2 for a \
command line it cannot read, 78 for a configuration it cannot serve.";

/// The help text of the option `--config`.
const FILE: &str = "\
A file with settings (TOML): `NAME = VALUE` for the options below, and `[[topics]]` tables. See docs/CONFIGURATION.md";

/// A server to run, with its settings.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) settings: Settings,
    /// The token that requests to the admin port must bear.
    pub(super) token: Option<AdminToken>,
    /// The filter of the log.
    pub(super) log: Filter,
    /// Warnings about settings that may be mistakes.
    pub(super) warnings: Vec<String>,
}

/// Why there is no server to run.
#[derive(Debug)]
pub(super) enum CliError {
    /// The command line is invalid, or asks for help.
    CommandLine(clap::Error),
    /// The environment or the configuration file is invalid.
    Configuration(ExitError),
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error)
    }
}

impl From<ExitError> for CliError {
    fn from(error: ExitError) -> Self {
        Self::Configuration(error)
    }
}

/// Reads the command line, the environment and the configuration file.
pub(super) fn read(arguments: &[OsString], environment: &Environment) -> Result<Serve, CliError> {
    let options = options::all();
    let serve = serve(&options);
    // The environment or the file may set required options.
    let lenient = serve.clone().mut_args(|arg| arg.required(false));
    let matches = program(lenient).try_get_matches_from(arguments)?;
    let matches = matches.subcommand_matches("serve").unwrap_or(&matches);
    let from_environment = sources::of_environment(&options, environment)?;
    let path = matches.get_one("config").cloned().or_else(|| environment.path(sources::CONFIG));
    let file = path.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
    let mut given = sources::of_file(&options, &file)?;
    given.extend(from_environment);
    given.extend(options.iter().filter_map(|option| Some((option.name, option.given(matches)?))));
    if options.iter().any(|option| option.is_list && !given.contains_key(option.name)) {
        program(serve).try_get_matches_from(arguments)?;
    }
    let mut settings = options::apply(&options, &given).map_err(ExitError::Configuration)?;
    settings.hub.rules = file.rules;
    let token = AdminToken::find(settings.program.admin_token_file.as_deref(), environment)?;
    let log = Filter::read(environment)?;
    let unknown = sources::unknown(&options, environment).into_iter();
    let unknown = unknown.map(|name| format!("{name}: a variable that looks like a setting and is none"));
    let warnings = unknown.chain(file.warnings).collect();
    Ok(Serve { settings, token, log, warnings })
}

/// Returns the command line of the program.
pub(super) fn program(serve: Command) -> Command {
    Command::new("throng")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .max_term_width(110)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve)
}

/// Returns the subcommand `throng serve` with these options.
pub(super) fn serve(options: &[ServeOption]) -> Command {
    let config = Arg::new("config").long("config").help(FILE);
    Command::new("serve")
        .about(SERVE)
        .long_about(format!("{SERVE}.\n\n{ENDS}"))
        .after_help(SOURCES)
        .arg(config.value_name("PATH").value_parser(value_parser!(PathBuf)))
        .args(options.iter().map(|option| &option.arg))
}
