//! Child processes that speak JSON, one object a line. Dropping one kills it.

use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use throng::sys::process;

use super::cores::Cores;
use super::interrupt::Interrupt;
use super::lines::{LOOK, Lines};

/// A running child, and the conversation with it.
pub(crate) struct Talker {
    child: Child,
    lines: Box<Lines>,
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
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            bail!("{name} has no standard output");
        };
        let lines = Lines::of(name, stdout, stdin, interrupt)?;
        lines.keep(stderr)?;
        Ok(Self { child, lines: Box::new(lines) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub(crate) fn stop(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        process::terminate(&mut self.child).with_context(|| format!("cannot stop {}", self.lines.name))?;
        self.finish(patience)
    }

    /// An error with its last words when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.explain(&format!("has ended early: {status}"))),
        }
    }

    /// Waits for its own end.
    pub(crate) fn finish(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.lines.end();
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(!self.lines.interrupt.is_raised(), "interrupted");
            if Instant::now() >= deadline {
                let waited = humantime::format_duration(patience);
                return Err(self.explain(&format!("has not ended within {waited}")));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Deref for Talker {
    type Target = Lines;

    fn deref(&self) -> &Lines {
        &self.lines
    }
}

impl DerefMut for Talker {
    fn deref_mut(&mut self) -> &mut Lines {
        &mut self.lines
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
        shell.say_line("hello\n").unwrap();
        assert_eq!(shell.hear::<Value>(SOON).unwrap(), serde_json::json!(["hello"]));
        assert_eq!(shell.finish(SOON).unwrap().code(), Some(3));
    }

    #[test]
    fn an_early_end_is_explained_by_its_last_words() {
        let error = shell("echo 'no room' >&2; exit 1").hear::<Value>(SOON).unwrap_err().to_string();
        assert!(error.contains("ended early") && error.contains("no room"), "{error}");
        let mut ended = shell("echo 'no more' >&2; exit 3");
        ended.finish(SOON).unwrap();
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
