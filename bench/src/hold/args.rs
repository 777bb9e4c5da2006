//! The options of `throng-bench hold`.

use std::time::Duration;

use super::probe::ProbeArgs;
use crate::args::{OutputArgs, Rate, duration};
use crate::engine::args::ClientArgs;
use crate::measure::watch::WatchArgs;

/// Opens connections to a WebSocket server, answers its pings, and counts every loss with its reason.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HoldArgs {
    /// Connections to open.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) rate: Rate,
    /// How long to keep the connections once all have opened.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) hold: Duration,
    /// Most connections being opened, or closed, at the same time: no more than the server's listen backlog.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// Afterwards send messages on a sample of the connections for so long, and take the time until they come back; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(crate) probe_time: Duration,
    /// How that is done.
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
    /// How to connect.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Be driven by a parent process: commands on standard input (open, probe, close), events as JSON lines on standard output.
    #[arg(long, hide_short_help = true)]
    pub(crate) controlled: bool,
}
