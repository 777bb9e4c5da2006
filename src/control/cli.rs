//! The command line, and what it makes of the environment and the configuration file.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use throng::hub::Rules;

use super::admin::Token;
use super::exit::Failure;
use super::file::File;
use super::logging::Filter;
use super::settings::Settings;
use super::sources::{self, Environment};

/// What is said at the end of the options.
const SOURCES: &str = "\
Each option can be given as a variable of the environment instead, THRONG_ and its name in capitals with underscores \
(THRONG_MAX_CONNECTIONS=200k), or in the file of --config by its name (max-connections = 200000). The command line comes before the \
environment, and the environment before the file. A variable that is empty counts as not set.";

/// A server that holds a million mostly idle WebSockets and pushes to them.
#[derive(Debug, Parser)]
#[command(name = "throng", version, about, max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server until SIGTERM, SIGINT or SIGQUIT, which end it in order; a second one ends it at once if it comes a second later
    /// or more. SIGHUP, SIGUSR1 and SIGUSR2 are logged and ignored.
    ///
    /// When every worker listens, it prints one line of JSON on standard output: the addresses, the number of workers, and
    /// whether they have descriptor tables of their own. Exit codes: 0 after an orderly end, 1 when something failed or the end
    /// was cut short, 2 for a command line it cannot read, 78 for a configuration it cannot serve.
    #[command(after_long_help = SOURCES, after_help = SOURCES)]
    Serve(Box<Settings>),
}

/// A server to run.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) settings: Settings,
    /// What holds for which topics.
    pub(super) rules: Rules,
    /// What requests to the admin port must bear.
    pub(super) token: Option<Token>,
    /// What is logged.
    pub(super) log: Filter,
    /// What may not be meant as it is said.
    pub(super) doubts: Vec<String>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(super) enum Refused {
    /// The command line cannot be read, or asks for help.
    CommandLine(clap::Error),
    /// The environment or the file cannot.
    Configuration(Failure),
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Configuration(failure)
    }
}

/// Reads the command line, then the environment and the file, which stand in for options that it leaves out.
pub(super) fn read(arguments: &[OsString], environment: &Environment) -> Result<Serve, Refused> {
    // Somebody else may say where to listen.
    let command = change_serve(|serve| serve.mut_arg("listen", |arg| arg.required(false)));
    let given = parse(command, arguments)?;
    let table = table();
    let from_environment = sources::of_environment(&table, environment)?;
    let path = given.config.or_else(|| environment.path("THRONG_CONFIG"));
    let file = path.as_deref().map(File::read).transpose()?.unwrap_or_default();
    let from_file = sources::of_file(&table, &file)?;
    let command = change_serve(|serve| sources::stand_in(serve, [from_file, from_environment]));
    let settings = parse(command, arguments)?;
    let token = Token::find(settings.admin_token_file.as_deref(), environment)?;
    let log = Filter::read(environment)?;
    let unknown = sources::unknown(&table, environment).into_iter();
    let unknown = unknown.map(|name| format!("{name}: a variable that looks like a setting and is none"));
    let doubts = unknown.chain(file.doubts).collect();
    Ok(Serve { settings, rules: file.rules, token, log, doubts })
}

/// The options of `throng serve`.
pub(super) fn table() -> clap::Command {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").cloned();
    serve.unwrap_or(command)
}

fn change_serve(change: impl FnOnce(clap::Command) -> clap::Command) -> clap::Command {
    Cli::command().mut_subcommand("serve", change)
}

fn parse(mut command: clap::Command, arguments: &[OsString]) -> Result<Settings, clap::Error> {
    let matches = command.try_get_matches_from_mut(arguments)?;
    let Cli { command: Command::Serve(settings) } =
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok(*settings)
}
