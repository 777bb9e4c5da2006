//! How connections are opened and held: what measurements of any server have in common.

use std::time::Duration;

use crate::args::{OutputArgs, Rate, ServeArgs, duration};
use crate::hold::probe::ProbeArgs;

/// How connections are opened and held.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LoadArgs {
    /// The server's ping interval.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) ping_interval: Duration,
    /// How long the server waits for a pong.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) pong_timeout: Duration,
    /// Ping cycles to hold through: every connection must answer so many pings after the last one has opened.
    #[arg(long, value_name = "K", default_value_t = 2)]
    pub(crate) cycles: u32,
    /// Afterwards send messages on a sample of the connections for so long, and take the time until they come back; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) probe_time: Duration,
    /// How that is done.
    #[command(flatten)]
    pub(crate) probe: ProbeArgs,
    #[command(flatten)]
    pub(crate) server: ServeArgs,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) rate: Rate,
    /// How long the kernel may take to connect, and the server to answer a handshake or a close.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// What masking keys and nonces are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
