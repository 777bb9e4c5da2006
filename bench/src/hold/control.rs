//! How a parent process drives `hold --controlled`: one command a line on its standard input, one JSON event a line on its
//! standard output.

use std::io::BufRead;
use std::sync::mpsc::{self, Receiver};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use throng::sys::signals;

use super::report::HoldReport;
use crate::engine::{Counts, Echoed, Opening};
use crate::report::json;

/// What a parent can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// `open`: begin to open connections.
    Open,
    /// `probe`: send messages on a sample of the connections.
    Probe,
    /// `close`, or the end of the input: close all of them and end.
    Close,
}

impl Command {
    /// The line for it.
    pub(crate) const fn line(self) -> &'static str {
        match self {
            Self::Open => "open\n",
            Self::Probe => "probe\n",
            Self::Close => "close\n",
        }
    }

    fn parse(line: &str) -> anyhow::Result<Self> {
        match line.trim() {
            "open" => Ok(Self::Open),
            "probe" => Ok(Self::Probe),
            "close" => Ok(Self::Close),
            other => anyhow::bail!("`{other}` is no command: open, probe, close"),
        }
    }
}

/// What the child tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Threads stand ready for `open`.
    Ready {
        /// Their number.
        threads: usize,
        /// Whether each has a descriptor table of its own.
        private_tables: bool,
    },
    /// How far it is, several times a second.
    Progress(Counts),
    /// All connections have opened or failed; from here on pings are counted for the hold.
    Opened(Opening),
    /// What was sent by the probe has come back, or has had time enough to.
    Probed(Box<Echoed>),
    /// All connections are closed; nothing follows.
    Closed(Box<HoldReport>),
}

impl Event {
    /// Writes the event as a line of its own.
    pub(crate) fn emit(&self) -> anyhow::Result<()> {
        json::print_line(self).context("cannot report to the parent process")
    }
}

/// Reads commands in a thread of its own. The end of the input is `Close`; so is a line that is no command, after a word
/// about it on standard error.
pub(crate) fn listen() -> anyhow::Result<Receiver<Command>> {
    let (commands, receiver) = mpsc::channel();
    let read = move || {
        // Signals are the main thread's business; without a block they could be delivered here, which is harmless.
        let _ = signals::block_all();
        for line in std::io::stdin().lock().lines() {
            let command = line.context("cannot read commands").and_then(|line| Command::parse(&line));
            let command = command.unwrap_or_else(|error| {
                eprintln!("throng-bench: {error:#}");
                Command::Close
            });
            if commands.send(command).is_err() {
                return;
            }
        }
        let _ = commands.send(Command::Close);
    };
    std::thread::Builder::new().name("commands".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_they_are_written() {
        for command in [Command::Open, Command::Probe, Command::Close] {
            assert_eq!(Command::parse(command.line()).unwrap(), command);
        }
        assert!(Command::parse("opne").is_err());
    }

    #[test]
    fn events_pass_as_one_line_of_json() {
        let event = Event::Progress(Counts { opened: 3, ..Counts::default() });
        let line = serde_json::to_string(&event).unwrap();
        assert!(line.starts_with(r#"{"event":"progress","opened":3,"#), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
