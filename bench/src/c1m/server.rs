//! The server under measurement: throng, or the floor.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use throng::Stats;

use super::C1mArgs;
use super::child::Talker;
use crate::floor::{FloorStats, ReadyLine};
use crate::interrupt::Interrupt;

/// How long a server may take until its workers listen.
const START: Duration = Duration::from_secs(30);
/// How long it may take to answer for its counts, while it is busy.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to end once it has been asked to.
const STOP: Duration = Duration::from_secs(60);

/// What `GET /stats` answers, as far as it is read here.
#[derive(Debug, Deserialize)]
struct StatsAnswer {
    total: Stats,
}

pub(super) struct Server {
    talker: Talker,
    ready: ReadyLine,
    agent: ureq::Agent,
}

impl Server {
    /// Starts `throng serve` and waits until it listens.
    pub(super) fn throng(args: &C1mArgs, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let mut command = Command::new(binary(args.server_bin.as_deref())?);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--app",
            "sink",
            "--ping",
            "always",
        ]);
        command.arg("--max-connections").arg(args.connections.to_string());
        command.arg("--ping-interval").arg(humantime::format_duration(args.ping_interval).to_string());
        command.arg("--pong-timeout").arg(humantime::format_duration(args.pong_timeout).to_string());
        Self::start("throng serve", command, args.workers, interrupt)
    }

    /// Starts `throng-bench floor` with as many workers as throng has, and waits until it listens.
    pub(super) fn floor(args: &C1mArgs, workers: usize, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
        command.args(["floor", "-n"]).arg(args.connections.to_string());
        Self::start("the floor", command, Some(workers), interrupt)
    }

    fn start(
        name: &'static str,
        mut command: Command,
        workers: Option<usize>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        if let Some(workers) = workers {
            command.arg("--workers").arg(workers.to_string());
        }
        let mut talker = Talker::start(name, command, interrupt)?;
        let ready: ReadyLine = talker.hear(START)?;
        ensure!(ready.ready && !ready.listen.is_empty(), "{name} listens nowhere");
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).build().new_agent();
        Ok(Self { talker, ready, agent })
    }

    pub(super) fn pid(&self) -> u32 {
        self.talker.pid()
    }

    pub(super) fn ready(&self) -> &ReadyLine {
        &self.ready
    }

    /// The address to hold connections to.
    pub(super) fn url(&self) -> String {
        format!("ws://{}/", self.ready.listen[0])
    }

    /// The connections that the server counts as open.
    pub(super) fn open(&mut self) -> anyhow::Result<u64> {
        if self.ready.admin.is_some() {
            return Ok(self.stats()?.open);
        }
        self.talker.say("stats\n")?;
        Ok(self.talker.hear::<FloorStats>(ANSWER)?.open)
    }

    /// All that throng counts.
    pub(super) fn stats(&self) -> anyhow::Result<Stats> {
        let admin = self.ready.admin.as_ref().ok_or_else(|| anyhow!("the server has no admin port"))?;
        let url = format!("http://{admin}/stats");
        let asked = self.agent.get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let body = asked
            .with_context(|| format!("cannot get {url}"))
            .map_err(|error| self.talker.explain(&format!("{error:#}")))?;
        let answer: StatsAnswer = serde_json::from_str(&body)
            .with_context(|| format!("{url} answers with something else than counts"))?;
        Ok(answer.total)
    }

    /// Stops it. The error says how it ended when that was not in order.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        let status = self.talker.stop(STOP)?;
        ensure!(status.success(), "the server did not stop in order: {status}");
        Ok(())
    }
}

/// The server program: the one given, or `throng` beside this program.
fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("cannot find this program's file")?.with_file_name("throng"),
    };
    let hint = "build it with `cargo build --release --features serve`, or name it with --server-bin";
    ensure!(path.is_file(), "there is no server at {}: {hint}", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_told_with_the_way_out() {
        let error = binary(Some(Path::new("/nowhere/throng"))).unwrap_err().to_string();
        assert!(error.contains("--server-bin"), "{error}");
    }

    #[test]
    fn the_answer_for_counts_is_read() {
        let answer = r#"{"workers":[{"open":3}],"total":{"open":3,"pings_sent":4,"ping_rtt_us":[[5,2]]}}"#;
        let answer: StatsAnswer = serde_json::from_str(answer).unwrap();
        assert_eq!(
            (answer.total.open, answer.total.pings_sent, &answer.total.ping_rtt_us[..]),
            (3, 4, &[(5, 2)][..])
        );
    }
}
