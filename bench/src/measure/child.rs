//! Child processes that speak JSON, one object a line. Dropping one kills it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use throng::sys::process;

use super::cores::Cores;
use super::interrupt::Interrupt;

/// Lines of a child's standard error that are kept to explain its failure.
const KEPT_LINES: usize = 40;
/// How often a wait looks at signals and at the child's life.
const LOOK: Duration = Duration::from_millis(50);

/// A running child.
pub(crate) struct Talker {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    interrupt: Interrupt,
}

impl Talker {
    /// Starts a child, on the server's core where there is one. Call it from the main thread: the child dies with the thread that
    /// started it.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        cores: Option<Cores>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A terminal's Ctrl-C is for us alone: we stop the children in order.
        command.process_group(0);
        let mut spawn = || process::spawn_tied(&mut command);
        let spawned = if let Some(cores) = cores { cores.on_server(spawn)? } else { spawn() };
        let mut child =
            spawned.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let stdin = child.stdin.take();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("{name} has no standard output");
        };
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&complaints);
        let (sender, lines) = mpsc::channel();
        read_lines(stdout, move |line| sender.send(line).is_ok())?;
        read_lines(stderr, move |line| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
            true
        })?;
        Ok(Self { name: name.to_owned(), child, stdin, lines, complaints, interrupt: interrupt.clone() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().ok_or_else(|| anyhow!("{} is not listening any more", self.name))?;
        let said = stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush());
        said.map_err(|error| self.explain(&format!("does not listen: {error}")))
    }

    /// The next object it says.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self, patience: Duration) -> anyhow::Result<T> {
        let heard = self.try_hear(patience)?;
        heard.ok_or_else(|| {
            self.explain(&format!("has said nothing for {}", humantime::format_duration(patience)))
        })
    }

    /// The next object it says, or `None` when it says nothing in time.
    pub(crate) fn try_hear<T: DeserializeOwned>(&mut self, patience: Duration) -> anyhow::Result<Option<T>> {
        let deadline = Instant::now() + patience;
        loop {
            ensure!(!self.interrupt.is_raised(), "interrupted");
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(LOOK)) {
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

    /// Asks it to end (SIGTERM) and waits for that.
    pub(crate) fn stop(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        process::terminate(&mut self.child).with_context(|| format!("cannot stop {}", self.name))?;
        self.wait(patience)
    }

    /// Waits for its own end.
    pub(crate) fn finish(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.wait(patience)
    }

    /// An error with its last words when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.explain(&format!("has ended early: {status}"))),
        }
    }

    fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.stdin = None;
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(!self.interrupt.is_raised(), "interrupted");
            if Instant::now() >= deadline {
                let waited = humantime::format_duration(patience);
                return Err(self.explain(&format!("has not ended within {waited}")));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// An error about the child, with the last it complained of.
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

impl Drop for Talker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    std::thread::Builder::new()
        .name("child output".to_owned())
        .spawn(read)
        .context("cannot start a thread")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn shell(script: &str) -> Talker {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Talker::start("the shell", command, None, &Interrupt::listen().unwrap()).unwrap()
    }

    #[test]
    fn lines_pass_both_ways_and_the_end_is_waited_for() {
        let mut shell = shell("read line; echo \"[\\\"$line\\\"]\"; exit 3");
        shell.say("hello\n").unwrap();
        assert_eq!(shell.hear::<Value>(SOON).unwrap(), serde_json::json!(["hello"]));
        assert_eq!(shell.finish(SOON).unwrap().code(), Some(3));
    }

    #[test]
    fn an_early_end_is_explained_by_its_last_words() {
        let error = shell("echo 'no room' >&2; exit 1").hear::<Value>(SOON).unwrap_err().to_string();
        assert!(error.contains("ended early") && error.contains("no room"), "{error}");
        let mut ended = shell("echo 'no more' >&2; exit 3");
        ended.wait(SOON).unwrap();
        let error = ended.check().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no more"), "{error}");
        assert!(shell("sleep 60").check().is_ok());
        let error = shell("sleep 60").hear::<Value>(Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("nothing"), "{error}");
        let error = shell("echo garbage; sleep 60").hear::<Value>(SOON).unwrap_err().to_string();
        assert!(error.contains("garbage"), "{error}");
    }

    #[test]
    fn a_dropped_child_is_dead() {
        let shell = shell("sleep 60");
        let path = format!("/proc/{}", shell.pid());
        drop(shell);
        assert!(!std::path::Path::new(&path).exists());
    }
}
