//! Command-line values with units.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Args, Command};

/// A duration with its unit, such as `30s` or `1m 30s`.
pub(crate) fn duration(text: &str) -> anyhow::Result<Duration> {
    humantime::parse_duration(text)
        .with_context(|| format!("`{text}` is no duration: write 30s, 500ms or 2m"))
}

/// The arguments of a command as they are on a command line: what is not named is as it is there.
pub(crate) fn parse<'a, A: Args>(options: impl IntoIterator<Item = &'a str>) -> anyhow::Result<A> {
    let command = A::augment_args(Command::new("options")).no_binary_name(true);
    Ok(A::from_arg_matches(&command.try_get_matches_from(options)?)?)
}

/// Keeps `{n}` in help texts as it is, which clap takes for a line break in them: an escape sequence stands in it, which is not
/// printed where the output is no terminal, and not seen where it is.
pub(crate) fn keep_braces(command: Command) -> Command {
    let kept = |text: &StyledStr| StyledStr::from(text.ansi().to_string().replace("{n}", "{\x1b[0mn}"));
    let keep = |arg: Arg| {
        let (short, long): (Resettable<StyledStr>, Resettable<StyledStr>) =
            (arg.get_help().map(kept).into(), arg.get_long_help().map(kept).into());
        arg.help(short).long_help(long)
    };
    let (short, long): (Resettable<StyledStr>, Resettable<StyledStr>) =
        (command.get_about().map(kept).into(), command.get_long_about().map(kept).into());
    command.about(short).long_about(long).mut_args(keep).mut_subcommands(keep_braces)
}

/// Where a report goes, and what is seen before.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write the report as JSON to this file, - for standard output instead of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw progress bars even when standard error is no terminal.
    #[arg(long)]
    pub(crate) progress: bool,
}

/// Where a report goes as a directory of files.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ResultsArgs {
    /// Write the whole report, as files of all kinds that it has, into a new directory under this one.
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// What that directory is called [default: the date and this machine's name].
    #[arg(long, value_name = "NAME", requires = "results")]
    pub(crate) name: Option<String>,
}

/// The server that is started.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeArgs {
    /// The program of the server that is started [default: throng beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) server_bin: Option<PathBuf>,
    /// Its workers [default: its own choice].
    #[arg(long, value_name = "W")]
    pub(crate) workers: Option<usize>,
}

/// How fast connections are opened, or messages sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// As fast as they can be.
    Max,
    /// So many per second.
    PerSecond(f64),
}

impl Rate {
    /// How many per second; `None` for no limit.
    pub(crate) const fn per_second(self) -> Option<f64> {
        match self {
            Self::Max => None,
            Self::PerSecond(rate) => Some(rate),
        }
    }
}

impl FromStr for Rate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "max" {
            return Ok(Self::Max);
        }
        per_second(text)
            .map(Self::PerSecond)
            .with_context(|| format!("`{text}` is no rate: write 5000/s or max"))
    }
}

/// How often something happens in a second, such as `5000/s`; at least 0.001, at most 100 million.
pub(crate) fn per_second(text: &str) -> anyhow::Result<f64> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate: f64 = number.parse().with_context(|| format!("`{text}` is no number a second"))?;
    ensure!((0.001..=1e8).contains(&rate), "a rate must be between 0.001/s and 100000000/s");
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_per_second_or_max() {
        assert_eq!("max".parse::<Rate>().unwrap().per_second(), None);
        assert_eq!("5000/s".parse::<Rate>().unwrap(), Rate::PerSecond(5000.0));
        assert_eq!("0.5".parse::<Rate>().unwrap(), Rate::PerSecond(0.5));
        for wrong in ["", "fast", "0", "-1/s", "inf", "NaN"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_carry_units() {
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert!(duration("90").is_err());
    }
}
