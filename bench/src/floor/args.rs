//! The command line of the floor's server.

use std::net::SocketAddr;
use std::time::Duration;

use crate::args::duration;

/// The worker's ticks, at which Pings are sent: as long as throng's.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// What the floor does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Accepts it, registers it with epoll, and throws away what it sends.
    Accept,
    /// Answers the first bytes with an upgrade response written in advance, then sends Pings and throws away what comes.
    Ping,
    /// Sends back what it sends.
    Echo,
    /// Answers the first bytes with an upgrade response written in advance, and sends the messages that follow back, unmasked: the
    /// frames of one read in one piece.
    Frames,
    /// Answers the first bytes with an upgrade response written in advance, and sends it what a `send` line says is published to
    /// its topic: the number at the end of its request's path, 0 without one.
    Broadcast,
}

/// Serves without WebSocket code: the system calls of a server of throng's shape, and as little as possible around them.
///
/// It ends on SIGTERM, SIGINT or the end of its standard input; the line `stats` there is answered with a line of JSON. With --mode
/// broadcast the line `send TOPIC MESSAGE...`, all of it told apart by tabs, has every connection of the topic get these messages.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FloorServerArgs {
    /// What to do with a connection.
    #[arg(long, value_enum, default_value = "accept")]
    pub(crate) mode: Mode,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Threads, each with a listener of its own [default: one per core, more only where the descriptor limit demands it].
    #[arg(long, value_name = "W")]
    pub(crate) workers: Option<usize>,
    /// Connections to have room for.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000)]
    pub(crate) connections: u32,
    /// Time between two Pings to a connection, with --mode ping: 200 ms to 1 hour.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = ping_interval)]
    pub(crate) ping_interval: Duration,
}

fn ping_interval(text: &str) -> anyhow::Result<Duration> {
    let interval = duration(text)?;
    let bounds = TICK * 2..=Duration::from_secs(3600);
    anyhow::ensure!(bounds.contains(&interval), "an interval between Pings is 200ms to 1h");
    Ok(interval)
}
