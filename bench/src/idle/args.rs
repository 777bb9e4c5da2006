//! The command line.

use std::time::Duration;

use crate::args::{OutputArgs, Rate, ServeArgs, duration, per_second};
use crate::engine::args::ClientArgs;
use crate::engine::compression::Compression;
use crate::measure::watch::WatchArgs;

/// Most bytes of a message: what throng takes by default.
const MAX_SIZE: u32 = 1 << 20;

/// Opens connections to a WebSocket server in two steps, has each send a message and get it back, and says what one connection
/// more takes of the server's user memory, by the difference between the two numbers.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("to", |to| to.required(false).required_unless_present("serve")))]
#[command(mut_arg("server_bin", |bin| bin.help("The program of --serve [default: throng beside this program]")))]
#[command(mut_arg("workers", |workers| workers.help("The workers of --serve [default: its own choice]")))]
pub(crate) struct IdleArgs {
    /// Start throng with this --compression instead, on this machine and anew for each round; several take turns.
    #[arg(long, value_enum, value_name = "MODE", value_delimiter = ',', conflicts_with_all = ["to", "pids"])]
    pub(crate) serve: Vec<Mode>,
    /// Beside them start throng's hub, and open connections with this path, in which {n} is a number for each: /topics/all
    /// or '/topics/t-{n}'. What one takes beyond a connection without the hub is told. Several take turns.
    #[arg(long, value_name = "PATH", requires = "serve", value_parser = path)]
    pub(crate) path: Vec<String>,
    /// Rounds of each, with --serve.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// The lower number of connections, large enough for pages and pools to be in use.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) low: u32,
    /// The higher number of connections.
    #[arg(long, value_name = "N", default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) high: u32,
    /// Bytes of each message, up to 1 MiB: JSON, another for each connection.
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SIZE)))]
    pub(crate) size: u32,
    /// Messages of each connection, one after the other; 0 for connections that never say anything.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) echoes: u32,
    /// Messages per second over all connections, sent by the clock, so that no burst of them leaves its buffers behind.
    #[arg(long, value_name = "R/s", default_value = "2000", value_parser = per_second)]
    pub(crate) echo_rate: f64,
    /// Offer compression in each handshake and send messages compressed where it is agreed on
    /// [default offer: permessage-deflate; client_max_window_bits].
    #[arg(long, value_name = "OFFER", num_args = 0..=1, require_equals = true, default_missing_value = Compression::COMMON)]
    pub(crate) compression: Option<Compression>,
    /// How long memory must have stayed as it is, to within 8 KiB, to be read.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// How long to wait for that; what is still moving then is read in its middle, and told.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) settle_within: Duration,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) connect_rate: Rate,
    /// How long echoes may take to come once all messages have been sent.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) patience: Duration,
    #[command(flatten)]
    pub(crate) server: ServeArgs,
    /// The ping interval of --serve.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) ping_interval: Duration,
    /// How to connect.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn path(text: &str) -> anyhow::Result<String> {
    anyhow::ensure!(text.starts_with('/'), "`{text}` is no path: it begins with a slash");
    Ok(text.to_owned())
}

/// How throng is to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// It agrees to nothing.
    Off,
    /// Each message by itself.
    Shared,
    /// With what passed before.
    Dedicated,
}

impl Mode {
    /// As `throng serve --compression` takes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
        }
    }
}
