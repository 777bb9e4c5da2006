//! A server that runs, a child process.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use throng::Stats;

use super::counts::{FloorStats, ReadyLine, ServerCounts};
use crate::measure::child::Talker;
use crate::measure::interrupt::Interrupt;

/// How long a server may take until its workers listen.
const START: Duration = Duration::from_secs(30);
/// How often one that says nothing is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// How long it may take to answer for its counts, while it is busy.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to end once it has been asked to.
const STOP: Duration = Duration::from_secs(60);

/// What `GET /stats` answers, as far as it is read here.
#[derive(Debug, Deserialize)]
struct StatsAnswer {
    total: Stats,
}

/// A running server. Dropping it kills it.
pub(crate) struct Running {
    talker: Talker,
    address: String,
    /// What it said when it listened; others than throng and the floor say nothing.
    ready: Option<Box<ReadyLine>>,
    sample_key: bool,
    agent: ureq::Agent,
}

impl Running {
    /// A server that says where it listens, once it has said so.
    pub(super) fn told(mut talker: Talker, sample_key: bool) -> anyhow::Result<Self> {
        let ready: ReadyLine = talker.hear(START)?;
        let address = ready.listen.first().filter(|_| ready.ready).cloned();
        let address = address.ok_or_else(|| talker.explain("listens nowhere"))?;
        Ok(Self { ready: Some(Box::new(ready)), ..Self::of(talker, address, sample_key) })
    }

    /// A server that says nothing, once it takes connections at this address.
    pub(super) fn awaited(
        talker: Talker,
        address: SocketAddr,
        sample_key: bool,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let mut running = Self::of(talker, address.to_string(), sample_key);
        let deadline = Instant::now() + START;
        while TcpStream::connect_timeout(&address, START).is_err() {
            running.check()?;
            ensure!(!interrupt.is_raised(), "interrupted");
            if Instant::now() >= deadline {
                let waited = humantime::format_duration(START);
                return Err(running.talker.explain(&format!("does not listen on {address} within {waited}")));
            }
            std::thread::sleep(LOOK);
        }
        running.check()?;
        Ok(running)
    }

    fn of(talker: Talker, address: String, sample_key: bool) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).build().new_agent();
        Self { talker, address, ready: None, sample_key, agent }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.talker.pid()
    }

    /// The address to connect to, with a path behind its slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}/{path}", self.address)
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        let address = self.address.parse::<SocketAddr>();
        Ok(address.with_context(|| format!("{} is no port to listen on", self.address))?.port())
    }

    /// The number of its threads with an event loop, where it tells.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.ready.as_ref().map(|ready| ready.workers)
    }

    /// Whether each has a descriptor table of its own, where it tells.
    pub(crate) fn private_tables(&self) -> Option<bool> {
        self.ready.as_ref().map(|ready| ready.private_tables)
    }

    /// Where throng's admin port is.
    pub(crate) fn admin(&self) -> Option<&str> {
        self.ready.as_ref()?.admin.as_deref()
    }

    /// Whether it is throng or the floor.
    pub(crate) fn is_ours(&self) -> bool {
        self.ready.is_some()
    }

    /// The option for handshakes with the one key that it has an answer for.
    pub(crate) fn sample_key(&self) -> Option<&'static str> {
        self.sample_key.then_some("--sample-key")
    }

    /// An error with its last words when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.talker.check()
    }

    /// Says a line to a floor.
    pub(crate) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.talker.say_line(line)
    }

    /// What the server counts, throng or the floor.
    pub(crate) fn counts(&mut self) -> anyhow::Result<ServerCounts> {
        if self.admin().is_some() {
            let Stats { open, pings_sent, pongs_received, pong_timeouts, ping_rtt_us, .. } = self.stats()?;
            return Ok(ServerCounts { open, pings_sent, pongs_received, pong_timeouts, ping_rtt_us });
        }
        self.say("stats\n")?;
        let FloorStats { open, pings_sent, pongs_received, ping_rtt_us, .. } = self.talker.hear(ANSWER)?;
        Ok(ServerCounts { open, pings_sent, pongs_received, pong_timeouts: 0, ping_rtt_us })
    }

    /// All that throng counts.
    pub(crate) fn stats(&self) -> anyhow::Result<Stats> {
        self.answer().map(|StatsAnswer { total }| total)
    }

    /// What throng answers to `GET /stats`, as far as it is read.
    pub(crate) fn answer<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let admin = self.admin().ok_or_else(|| anyhow!("the server has no admin port"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
