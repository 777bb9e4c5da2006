//! The server under measurement, a child process: throng, or a floor that talks like it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use throng::Stats;

use super::counts::{FloorStats, ReadyLine};
use crate::measure::child::Talker;
use crate::measure::cores::Cores;
use crate::measure::interrupt::Interrupt;

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

/// What both servers count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerCounts {
    /// Connections open now.
    pub(crate) open: u64,
    /// Pings sent since the start.
    pub(crate) pings_sent: u64,
    /// Pongs received since the start.
    pub(crate) pongs_received: u64,
    /// Connections dropped because a Pong did not come in time. The floor drops none.
    pub(crate) pong_timeouts: u64,
    /// From Ping to Pong since the start: pairs of a bucket's highest value in microseconds and its count.
    pub(crate) ping_rtt_us: Vec<(u64, u64)>,
}

/// How throng is to serve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serve<'a> {
    /// The program; `None` for the one beside this program.
    pub(crate) program: Option<&'a Path>,
    /// What becomes of messages: `echo` or `sink`; `None` for the hub.
    pub(crate) app: Option<&'a str>,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The most connections.
    pub(crate) connections: u64,
    /// `None` for no Pings.
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,
    /// `None` for its own choice.
    pub(crate) workers: Option<usize>,
    /// Whether it compresses: `off`, `shared` or `dedicated`.
    pub(crate) compression: &'a str,
    /// Where it is to run; `None` for anywhere.
    pub(crate) cores: Option<Cores>,
}

/// Any free port of this machine's own.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Starts `throng serve`, which pings every connection whether it is idle or not, and waits until it listens.
pub(crate) fn serve(options: &Serve<'_>, interrupt: &Interrupt) -> anyhow::Result<Server> {
    let mut command = Command::new(binary(options.program)?);
    command.arg("serve").arg("--listen").arg(options.listen.to_string());
    command.args(["--admin", "127.0.0.1:0", "--ping", "always"]);
    command.args(options.app.iter().flat_map(|app| ["--app", app]));
    command.args(["--compression", options.compression]);
    command.arg("--max-connections").arg(options.connections.to_string());
    let ping_interval =
        options.ping_interval.map(|interval| humantime::format_duration(interval).to_string());
    command.arg("--ping-interval").arg(ping_interval.as_deref().unwrap_or("off"));
    command.arg("--pong-timeout").arg(humantime::format_duration(options.pong_timeout).to_string());
    Server::start("throng serve", command, options.workers, options.cores, interrupt)
}

/// Starts a floor in this mode, with room for so many connections and with more options, and waits until it listens.
pub(crate) fn serve_floor(
    mode: &str,
    connections: u64,
    options: &[(&str, String)],
    workers: Option<usize>,
    cores: Option<Cores>,
    interrupt: &Interrupt,
) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
    command.args(["floor-server", "--mode", mode, "-n"]).arg(connections.to_string());
    command.args(options.iter().flat_map(|(name, value)| [*name, value]));
    Server::start("the floor", command, workers, cores, interrupt)
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    talker: Talker,
    ready: ReadyLine,
    agent: ureq::Agent,
}

impl Server {
    /// Starts a program that says where it listens, and waits for that.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        workers: Option<usize>,
        cores: Option<Cores>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        if let Some(workers) = workers {
            command.arg("--workers").arg(workers.to_string());
        }
        let mut talker = Talker::start(name, command, cores, interrupt)?;
        let ready: ReadyLine = talker.hear(START)?;
        ensure!(ready.ready && !ready.listen.is_empty(), "{name} listens nowhere");
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).build().new_agent();
        Ok(Self { talker, ready, agent })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.talker.pid()
    }

    pub(crate) fn ready(&self) -> &ReadyLine {
        &self.ready
    }

    /// An error with its last words when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.talker.check()
    }

    /// Says a line to a floor.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.talker.say_line(line)
    }

    /// The address to hold connections to.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.ready.listen[0])
    }

    /// What the server counts, throng or the floor.
    pub(crate) fn counts(&mut self) -> anyhow::Result<ServerCounts> {
        if self.ready.admin.is_some() {
            let Stats { open, pings_sent, pongs_received, pong_timeouts, ping_rtt_us, .. } = self.stats()?;
            return Ok(ServerCounts { open, pings_sent, pongs_received, pong_timeouts, ping_rtt_us });
        }
        self.talker.say_line("stats\n")?;
        let FloorStats { open, pings_sent, pongs_received, ping_rtt_us, .. } = self.talker.hear(ANSWER)?;
        Ok(ServerCounts { open, pings_sent, pongs_received, pong_timeouts: 0, ping_rtt_us })
    }

    /// The connections that the server counts as open.
    pub(crate) fn open(&mut self) -> anyhow::Result<u64> {
        Ok(self.counts()?.open)
    }

    /// All that throng counts.
    pub(crate) fn stats(&self) -> anyhow::Result<Stats> {
        self.answer().map(|StatsAnswer { total }| total)
    }

    /// What throng answers to `GET /stats`, as far as it is read.
    pub(crate) fn answer<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let admin = self.ready.admin.as_ref().ok_or_else(|| anyhow!("the server has no admin port"))?;
        let url = format!("http://{admin}/stats");
        let asked = self.agent.get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let body = asked
            .with_context(|| format!("cannot get {url}"))
            .map_err(|error| self.talker.explain(&format!("{error:#}")))?;
        serde_json::from_str(&body).with_context(|| format!("{url} answers with something else than counts"))
    }

    /// Stops it. The error says how it ended when that was not in order.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let status = self.talker.stop(STOP)?;
        ensure!(status.success(), "the server did not stop in order: {status}");
        Ok(())
    }
}

/// The server program: the one given, or `throng` beside this program.
pub(crate) fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
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
