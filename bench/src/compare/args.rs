//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::args::{Rate, ResultsArgs, duration};
use crate::servers::peers::Given;

/// Bytes of the largest message: what throng takes by default.
const LARGEST: i64 = 1 << 20;

/// Measures throng beside its floor and other WebSocket servers: memory of idle connections, echoes, broadcasts, handshakes and
/// Pings. Each server is started anew for each measurement, on one core, with this program on another one; they take turns, cell by
/// cell and round by round.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("results", |to| to.help("Write the whole report with pictures into a new directory under this one, after every round")))]
#[command(mut_arg("name", |name| name.help("What that directory is called [default: the date, compare, and this machine's name]")))]
pub(crate) struct CompareArgs {
    /// The servers: throng, floor, and those of --peers, beside each --peer [default: all whose program is there].
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) with: Vec<String>,
    /// File that says how other servers are started [default: bench/peers/peers.toml, from the working directory or from where
    /// this program lies upwards].
    #[arg(long, value_name = "FILE")]
    pub(crate) peers: Option<PathBuf>,
    /// One more server: 'NAME=COMMAND', in which {port} is where it is to listen on 127.0.0.1. Repeat it for several.
    #[arg(long, value_name = "NAME=COMMAND")]
    pub(crate) peer: Vec<Given>,
    /// What to measure [default: all].
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) only: Vec<Column>,
    /// Rounds: each measures every cell of every server once.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// The core of servers.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core of this program.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) client_core: usize,
    /// Numbers of connections that echo.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 64, 1_000, 10_000], value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Vec<u32>,
    /// Messages of a connection on their way.
    #[arg(long, value_name = "D", value_delimiter = ',', default_values_t = [1, 16], value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) depth: Vec<u32>,
    /// Bytes of a message. Cells with more than 256 MiB on their way are left out.
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = [20, 512, 16_384, 1 << 20], value_parser = clap::value_parser!(u32).range(1..=LARGEST))]
    pub(crate) size: Vec<u32>,
    /// Time before the measured time of echoes, broadcasts and churn.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// The measured time of each.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// The lower number of idle connections, whose memory is told by the difference to the higher.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) idle_low: u32,
    /// The higher number of idle connections.
    #[arg(long, value_name = "N", default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) idle_high: u32,
    /// How long memory must have been at rest to be read.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// Subscribers of a broadcast.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) subscribers: u32,
    /// Handshakes, one behind the other, whose processor time is measured.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) handshakes: u32,
    /// Connections a second that come and leave again, measured beside as many as can; one that every server can do.
    #[arg(long, value_name = "R/s", default_value = "2000/s")]
    pub(crate) churn_rate: Rate,
    /// Connections that are held and pinged.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) held: u32,
    /// The servers' ping interval, in whole seconds; some have their own idea of it, so Pings that were answered are counted.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) ping_interval: Duration,
    /// How long connections are held and pinged.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) hold: Duration,
    /// The program of throng [default: throng beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) server_bin: Option<PathBuf>,
    /// What masking keys, nonces and messages are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the report as JSON to this file, - for standard output instead of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) results: ResultsArgs,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Column {
    /// User memory of idle connections.
    Idle,
    /// Messages that come back.
    Echo,
    /// Messages to many.
    Broadcast,
    /// Handshakes, and connections that come and leave.
    Connect,
    /// Pings to connections that are held.
    Pings,
}

impl Column {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Idle, Self::Echo, Self::Broadcast, Self::Connect, Self::Pings];

    /// Its name in reports and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Echo => "echo",
            Self::Broadcast => "broadcast",
            Self::Connect => "connect",
            Self::Pings => "pings",
        }
    }
}

impl CompareArgs {
    /// Whether this is to be measured.
    pub(crate) fn wants(&self, column: Column) -> bool {
        self.only.is_empty() || self.only.contains(&column)
    }

    /// Refuses what cannot be measured.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.duration.is_zero(), "--duration must be longer than nothing");
        ensure!(!self.hold.is_zero(), "--hold must be longer than nothing");
        ensure!(!self.settle.is_zero(), "--settle must be longer than nothing");
        ensure!(
            self.idle_low < self.idle_high,
            "--idle-low must be less than --idle-high: the slope is between the two"
        );
        ensure!(self.churn_rate != Rate::Max, "--churn-rate is a number a second: max is measured anyway");
        let interval = self.ping_interval;
        ensure!(
            interval.subsec_nanos() == 0 && (1..=3600).contains(&interval.as_secs()),
            "--ping-interval is 1s to 1h in whole seconds, which is what most servers take"
        );
        ensure!(
            self.hold >= interval * 2,
            "--hold must be at least twice --ping-interval, so that every connection is pinged"
        );
        Ok(())
    }
}
