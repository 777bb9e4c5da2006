//! The filter of the log, and its output to standard error.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::environment::Environment;
use super::error::ExitError;
use super::stderr::{Lines, write_line};

/// The variable with the filter.
const VARIABLE: &str = "THRONG_LOG";
/// The filter when the variable is not set.
const DEFAULT: &str = "info";
/// The crates that log; targets are paths of their modules.
const CRATES: [&str; 6] = ["throng", "axum", "hyper", "hyper_util", "mio", "tokio"];

/// The filter of the log.
#[derive(Debug)]
pub(super) struct Filter {
    filter: EnvFilter,
    /// Targets of the filter that no crate logs under.
    unknown_targets: Vec<String>,
}

impl Filter {
    /// Reads the filter from `THRONG_LOG`: a level, or targets with levels (`debug`, `info,throng=trace`). Blanks around them are ignored,
    /// and an empty variable counts as not set.
    pub(super) fn read(environment: &Environment) -> Result<Self, ExitError> {
        let text = environment.text(VARIABLE)?.unwrap_or_default();
        Self::parse(&text).map_err(|what| ExitError::Configuration(format!("{VARIABLE}: {what}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        parts.iter().try_for_each(|part| check(part))?;
        let directives = if parts.is_empty() { DEFAULT.into() } else { parts.join(",") };
        let filter = EnvFilter::builder().parse(directives).map_err(|error| error.to_string())?;
        let unknown_targets = parts.iter().filter_map(|part| unknown_target(part)).map(Into::into).collect();
        Ok(Self { filter, unknown_targets })
    }

    /// Sends the log to standard error from now on.
    pub(super) fn init(self) {
        for name in &self.unknown_targets {
            // Not a line of the log, which the filter may drop.
            write_line(&format!("throng: {VARIABLE}: nothing is logged as `{name}`\n"));
        }
        tracing_subscriber::fmt()
            .with_env_filter(self.filter)
            .with_writer(|| Lines)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            // Such errors would go to standard error, too: when that is closed, they must not end the program.
            .log_internal_errors(false)
            .init();
    }
}

/// Checks that a part of a filter is valid. The library would read a single word as a target, whatever was meant.
fn check(part: &str) -> Result<(), String> {
    let level = match part.rsplit_once('=') {
        Some((_, level)) if !level.contains(']') => level,
        // A part with a span: the library reads what is in its brackets.
        _ if part.contains('[') => return Ok(()),
        _ => part,
    };
    if !level.is_empty() && level.parse::<LevelFilter>().is_ok() {
        return Ok(());
    }
    let levels = "off, error, warn, info, debug or trace";
    Err(format!("`{level}` is no level: write {levels}, or TARGET=LEVEL as in throng=debug"))
}

/// Returns the target of a part, if no crate logs under it.
fn unknown_target(part: &str) -> Option<&str> {
    let (target, _) = part.split_once(['=', '['])?;
    let name = target.split("::").next().unwrap_or(target);
    (!name.is_empty() && !CRATES.contains(&name)).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_filter_is_none_and_blanks_do_not_count() {
        for (text, means) in [
            ("", "info"),
            (" ", "info"),
            (",", "info"),
            ("info ", "info"),
            (" DEBUG", "debug"),
            ("off", "off"),
            ("info, throng=trace ", "throng=trace,info"),
            ("throng::worker=debug", "throng::worker=debug"),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.filter.to_string(), means, "{text:?}");
            assert_eq!(filter.unknown_targets, [""; 0]);
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_an_error_with_those_that_are() {
        for (text, word) in [
            ("verbose", "verbose"),
            ("warning", "warning"),
            ("throng", "throng"),
            ("info,all", "all"),
            ("throng=loud", "loud"),
            ("throng=", ""),
            ("in fo", "in fo"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            let said = format!("`{word}` is no level: write off, error, warn, info, debug or trace, or ");
            assert!(error.starts_with(&said), "{text:?}: {error}");
        }
        Filter::parse("[a{").unwrap_err();
    }

    #[test]
    fn a_target_that_nothing_logs_under_is_found() {
        let unknown_targets =
            Filter::parse("info,thron=debug,hyper=off,thron::worker[a]=trace").unwrap().unknown_targets;
        assert_eq!(unknown_targets, ["thron", "thron::worker"]);
    }
}
