//! Two programs that speak JSON to each other, one object a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::interrupt::Interrupt;

/// Lines of complaints that are kept to explain a failure.
const KEPT_LINES: usize = 40;
/// How often a wait looks at signals.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// One end of a conversation.
pub(crate) struct Lines {
    pub(super) name: String,
    to: Option<Box<dyn Write + Send>>,
    from: Receiver<String>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    pub(super) interrupt: Interrupt,
}

impl Lines {
    /// A conversation with a program that errors call by this name.
    pub(crate) fn of(
        name: &str,
        from: impl Read + Send + 'static,
        to: impl Write + Send + 'static,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let (sender, lines) = mpsc::channel();
        read_lines(from, move |line| sender.send(line).is_ok())?;
        Ok(Self {
            name: name.to_owned(),
            to: Some(Box::new(to)),
            from: lines,
            complaints: Arc::default(),
            interrupt: interrupt.clone(),
        })
    }

    /// Keeps the last lines of what the other program says apart, to explain its failures.
    pub(super) fn keep(&self, complaints: impl Read + Send + 'static) -> anyhow::Result<()> {
        let kept = Arc::clone(&self.complaints);
        read_lines(complaints, move |line| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
            true
        })
    }

    /// Sends an object.
    pub(crate) fn say(&mut self, object: &impl Serialize) -> anyhow::Result<()> {
        self.say_line(&(serde_json::to_string(object)? + "\n"))
    }

    /// Sends a line.
    pub(crate) fn say_line(&mut self, line: &str) -> anyhow::Result<()> {
        let to = self.to.as_mut().ok_or_else(|| anyhow!("{} is not listening any more", self.name))?;
        let said = to.write_all(line.as_bytes()).and_then(|()| to.flush());
        said.map_err(|error| self.explain(&format!("does not listen: {error}")))
    }

    /// Says nothing more.
    pub(super) fn end(&mut self) {
        self.to = None;
    }

    /// The next object that the other program says.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self, patience: Duration) -> anyhow::Result<T> {
        let heard = self.try_hear(patience)?;
        heard.ok_or_else(|| {
            self.explain(&format!("has said nothing for {}", humantime::format_duration(patience)))
        })
    }

    /// The next object that it says, or `None` when it says nothing in time.
    pub(crate) fn try_hear<T: DeserializeOwned>(&mut self, patience: Duration) -> anyhow::Result<Option<T>> {
        let deadline = Instant::now() + patience;
        loop {
            ensure!(!self.interrupt.is_raised(), "interrupted");
            let left = deadline.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left.min(LOOK)) {
                Ok(line) => {
                    return serde_json::from_str(&line)
                        .map(Some)
                        .with_context(|| format!("{} said something unexpected: {line}", self.name));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.explain("has ended early")),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// An error about the other program, with the last it complained of.
    pub(crate) fn explain(&self, what: &str) -> anyhow::Error {
        // Its last words may still be on their way.
        std::thread::sleep(LOOK);
        let kept = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let mut message = format!("{} {what}", self.name);
        for line in kept.iter() {
            message.push_str("\n    ");
            message.push_str(line);
        }
        anyhow!(message)
    }
}

fn read_lines(
    from: impl Read + Send + 'static,
    mut take: impl FnMut(String) -> bool + Send + 'static,
) -> anyhow::Result<()> {
    let read = move || {
        let lines = BufReader::new(from).lines().map_while(Result::ok);
        for line in lines {
            if !take(line) {
                break;
            }
        }
    };
    std::thread::Builder::new().name("lines".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(())
}
