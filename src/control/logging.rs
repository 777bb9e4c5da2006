//! Logs on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use throng::sys::stderr::write_within;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::exit::Failure;
use super::sources::Environment;

/// The variable that says what is logged.
const VARIABLE: &str = "THRONG_LOG";
/// What is logged unless it is said otherwise.
const DEFAULT: &str = "info";
/// The crates that have something to say, in whose modules targets are.
const CRATES: [&str; 6] = ["throng", "axum", "hyper", "hyper_util", "mio", "tokio"];

/// How long a line waits for whoever reads standard error. Then it is lost, and so is what follows and finds no room at once: a collector of
/// logs that hangs must keep nobody from publishing, or the program from ending in order.
const PATIENCE: Duration = Duration::from_millis(500);

/// What has become of the lines before.
static READER: Mutex<Reader> = Mutex::new(Reader { is_stuck: false, lost: 0 });

/// Who reads standard error.
#[derive(Debug)]
struct Reader {
    is_stuck: bool,
    /// Lines that it has not taken, and has not been told of.
    lost: u64,
}

/// Standard error, as the log writes to it: a line at a time.
#[derive(Debug)]
struct Lines;

/// What is logged.
#[derive(Debug)]
pub(super) struct Filter {
    filter: EnvFilter,
    /// Targets that nothing logs under.
    strangers: Vec<String>,
}

impl Filter {
    /// What `THRONG_LOG` says: a level, or targets with levels (`debug`, `info,throng=trace`). Blanks around them do not count, and
    /// empty counts as not set.
    pub(super) fn read(environment: &Environment) -> Result<Self, Failure> {
        let text = environment.text(VARIABLE)?.unwrap_or_default();
        Self::parse(&text).map_err(|what| Failure::Configuration(format!("{VARIABLE}: {what}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        parts.iter().try_for_each(|part| check(part))?;
        let directives = if parts.is_empty() { DEFAULT.into() } else { parts.join(",") };
        let filter = EnvFilter::builder().parse(directives).map_err(|error| error.to_string())?;
        let strangers = parts.iter().filter_map(|part| stranger(part)).map(Into::into).collect();
        Ok(Self { filter, strangers })
    }

    /// Sends logs to standard error from now on.
    pub(super) fn init(self) {
        for name in &self.strangers {
            // Not as a line of the log, which the filter may leave out.
            say(&format!("throng: {VARIABLE}: nothing is logged as `{name}`\n"));
        }
        tracing_subscriber::fmt()
            .with_env_filter(self.filter)
            .with_writer(|| Lines)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            // It would be told on standard error, too: when that is gone, it must not end the program.
            .log_internal_errors(false)
            .init();
    }
}

/// Writes a line to standard error, unless nobody takes it.
pub(super) fn say(line: &str) {
    say_by(&READER, line.as_bytes(), write_within);
}

fn say_by(reader: &Mutex<Reader>, line: &[u8], write: impl Fn(&[u8], Duration) -> io::Result<()>) {
    let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
    let patience = if reader.is_stuck { Duration::ZERO } else { PATIENCE };
    let told = if reader.lost == 0 {
        write(line, patience)
    } else {
        let lost = format!("throng: {} lines are missing here, which nobody has read in time\n", reader.lost);
        write(&[lost.as_bytes(), line].concat(), patience)
    };
    match told {
        Ok(()) => *reader = Reader { is_stuck: false, lost: 0 },
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            *reader = Reader { is_stuck: true, lost: reader.lost + 1 };
        }
        // It is gone for good, and nobody is left to be told.
        Err(_) => {}
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        say_by(&READER, line, write_within);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a part of a filter is one. A word alone would be a target for the library that reads it, whatever was meant.
fn check(part: &str) -> Result<(), String> {
    let level = match part.rsplit_once('=') {
        Some((_, level)) if !level.contains(']') => level,
        // Of a span: what is in its brackets is the library's to read.
        _ if part.contains('[') => return Ok(()),
        _ => part,
    };
    if !level.is_empty() && level.parse::<LevelFilter>().is_ok() {
        return Ok(());
    }
    let levels = "off, error, warn, info, debug or trace";
    Err(format!("`{level}` is no level: write {levels}, or TARGET=LEVEL as in throng=debug"))
}

/// The target of a part, if it is in no crate that logs.
fn stranger(part: &str) -> Option<&str> {
    let (target, _) = part.split_once(['=', '['])?;
    let name = target.split("::").next().unwrap_or(target);
    (!name.is_empty() && !CRATES.contains(&name)).then_some(target)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

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
            assert_eq!(filter.strangers, [""; 0]);
        }
    }

    #[test]
    fn lines_that_nobody_reads_are_lost_and_told_of_and_only_the_first_waits() {
        let reader = Mutex::new(Reader { is_stuck: false, lost: 0 });
        let (waited, written) = (RefCell::new(Vec::new()), RefCell::new(String::new()));
        let say = |line: &str, is_read: bool| {
            say_by(&reader, line.as_bytes(), |bytes, patience| {
                waited.borrow_mut().push(patience);
                written.borrow_mut().push_str(if is_read { std::str::from_utf8(bytes).unwrap() } else { "" });
                if is_read { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
            });
        };
        for (line, is_read) in
            [("a\n", true), ("b\n", false), ("c\n", false), ("d\n", true), ("e\n", false), ("f\n", true)]
        {
            say(line, is_read);
        }
        let none = Duration::ZERO;
        assert_eq!(*waited.borrow(), [PATIENCE, PATIENCE, none, none, PATIENCE, none]);
        let missing =
            |count| format!("throng: {count} lines are missing here, which nobody has read in time\n");
        assert_eq!(*written.borrow(), format!("a\n{}d\n{}f\n", missing(2), missing(1)));
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
        let strangers = Filter::parse("info,thron=debug,hyper=off,thron::worker[a]=trace").unwrap().strangers;
        assert_eq!(strangers, ["thron", "thron::worker"]);
    }
}
