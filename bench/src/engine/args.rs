//! How clients connect: what all commands that open connections have in common.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::plan::{Plan, Timeouts};
use super::sources::Sources;
use super::target::{Numbers, Target};
use crate::args::duration;
use crate::measure::threads::{Spread, Threads};

/// How clients connect.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ClientArgs {
    /// Server to connect to, as ws://HOST:PORT/PATH; repeat it to spread over several addresses.
    #[arg(long, required = true, value_name = "URL")]
    pub(crate) to: Vec<Target>,
    /// Source addresses to use, from 127.0.0.2 on [default: as many as the ports demand].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sources: Option<u32>,
    /// Source address to use, which this machine has; repeat it for several [default: the kernel's choice].
    #[arg(long, value_name = "IP", conflicts_with = "sources")]
    pub(crate) source: Vec<IpAddr>,
    /// Threads, each with an event loop [default: one per core, more only where the descriptor limit demands it].
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<usize>,
    /// How long the kernel may take to connect.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    /// How long the server may take to answer the upgrade request.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) handshake_timeout: Duration,
    /// How long the server may take to finish the closing handshake and end the connection.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) close_timeout: Duration,
    /// Bare TCP connections: no WebSocket handshake and no frames.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Send the sample key of RFC 6455 in every handshake, for floors whose answer is written in advance.
    #[arg(long)]
    pub(crate) sample_key: bool,
    /// What masking keys, nonces and messages are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Plan {
    /// So many connections as the options say: WebSockets without compression, opened as fast as can be.
    pub(crate) fn of(client: &ClientArgs, connections: u32) -> anyhow::Result<Self> {
        Ok(Self {
            targets: client.to.clone(),
            sources: client.choose_sources(connections.into())?,
            connections: connections as usize,
            threads: Threads::plan(connections.into(), client.threads, Spread::Even)?,
            in_flight: 1024,
            rate: None,
            raw: client.raw,
            sample_key: client.sample_key,
            compression: None,
            numbers: Numbers::default(),
            feed: None,
            timeouts: client.timeouts(),
            seed: client.seed,
        })
    }
}

impl ClientArgs {
    /// Finds out which address of each server takes connections.
    pub(crate) fn reach(&mut self) -> anyhow::Result<()> {
        self.to.iter_mut().try_for_each(|target| target.reach(self.connect_timeout))
    }

    /// Where so many connections come from.
    pub(crate) fn choose_sources(&self, connections: u64) -> anyhow::Result<Sources> {
        let addresses: Vec<SocketAddr> = self.to.iter().map(|target| target.address).collect();
        if self.source.is_empty() {
            Sources::choose(&addresses, connections, self.sources)
        } else {
            Sources::given(&addresses, connections, &self.source)
        }
    }

    /// How long the other side may take.
    pub(crate) const fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: self.connect_timeout,
            handshake: self.handshake_timeout,
            close: self.close_timeout,
        }
    }
}
