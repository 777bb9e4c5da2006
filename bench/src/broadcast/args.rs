//! The command line.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::publisher::PublishTo;
use crate::args::{OutputArgs, Rate, ResultsArgs, ServeArgs, duration};
use crate::engine::args::ClientArgs;
use crate::engine::feed::SMALLEST;
use crate::measure::watch::WatchArgs;

/// Bytes of the largest message: what throng takes by default.
const LARGEST: i64 = 1 << 20;
/// Most messages of a batch.
const MOST_IN_FLIGHT: i64 = 1_000;

/// Opens subscribers to topics of a WebSocket server, publishes to them by the clock, checks that each of them gets every message
/// once and in order, and says how long that took and what it cost, beside a bare loop of send() if that is wanted.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("to", |to| to.required(false).required_unless_present("serve")))]
#[command(mut_arg("server_bin", |bin| bin.help("The program of --serve throng [default: throng beside this program]")))]
#[command(mut_arg("workers", |workers| workers.help("The workers of --serve [default: throng's own choice, which the floor takes too]")))]
pub(crate) struct BroadcastArgs {
    /// Start these instead, on this machine and anew for each measurement; several take turns.
    #[arg(long, value_enum, value_name = "SERVER", value_delimiter = ',', conflicts_with_all = ["to", "pids", "publish"])]
    pub(crate) serve: Vec<Own>,
    /// Rounds of each.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Subscribers, of one topic each.
    #[arg(short = 'n', long, value_name = "S", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Topics, t-0 and so on, which subscribers and batches of messages take in turn.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) topics: u32,
    /// Messages per second over all topics, published by the clock; latencies begin at the planned time. max: each batch follows
    /// when all subscribers have the one before.
    #[arg(long, value_name = "R/s", default_value = "100/s")]
    pub(crate) rate: Rate,
    /// Bytes of each message, from 32 to 1 MiB: text.
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(SMALLEST as i64..=LARGEST))]
    pub(crate) size: u32,
    /// Messages of a batch: they are published at the same time, in one request, and to one topic.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_IN_FLIGHT))]
    pub(crate) in_flight: u32,
    /// Time before the measured time in which messages go but do not count.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// The measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long nobody may have received anything before what is missing counts as missing.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Measure once more with so many subscribers that never read, evenly spread over all, such as 1%; the others are compared.
    #[arg(long, value_name = "SHARE")]
    pub(crate) deaf: Option<Share>,
    /// What throng is to do about them, each measured by itself [default: its own default].
    #[arg(long, value_enum, value_name = "POLICY", value_delimiter = ',', requires = "deaf")]
    pub(crate) policies: Vec<Policy>,
    /// Where to publish with --to: http://HOST:PORT is throng's admin port, ws://HOST:PORT/PATH takes each message as a frame; {n}
    /// in it is the topic's number.
    #[arg(long, value_name = "URL", requires = "to")]
    pub(crate) publish: Option<PublishTo>,
    #[command(flatten)]
    pub(crate) server: ServeArgs,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) connect_rate: Rate,
    /// How to connect; {n} in an address is the topic's number.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) results: ResultsArgs,
    /// More options for `throng serve`, such as -- --outbox-limit 64KiB.
    #[arg(last = true, value_name = "OPTION")]
    pub(crate) options: Vec<String>,
}

impl BroadcastArgs {
    /// Finds out which address of each server takes connections.
    pub(crate) fn reach(&mut self) -> anyhow::Result<()> {
        self.client.reach()?;
        match &mut self.publish {
            Some(PublishTo::WebSocket(target)) => target.reach(self.client.connect_timeout),
            Some(PublishTo::Http(_)) | None => Ok(()),
        }
    }
}

/// A server that is started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Own {
    /// The hub of `throng serve`.
    Throng,
    /// A bare loop of send() on as many sockets.
    Floor,
}

/// What is done about subscribers that do not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// They are closed.
    Close,
    /// What comes is dropped.
    DropNewest,
    /// What waits longest is dropped.
    DropOldest,
    /// Only the latest message of each topic waits.
    Conflate,
}

impl Policy {
    /// As throng's configuration has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::Conflate => "conflate",
        }
    }
}

/// One of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// How many it is one of, at least two.
    pub(crate) every: u32,
}

impl FromStr for Share {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = text.strip_suffix('%').with_context(|| format!("`{text}` is no share: write 1%"))?;
        let percent: f64 = number.parse().with_context(|| format!("`{text}` is no number of percent"))?;
        ensure!((0.001..=50.0).contains(&percent), "a share must be between 0.001% and 50%");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2 to 100,000")]
        let every = (100.0 / percent).round() as u32;
        Ok(Self { every })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        for (text, every) in [("1%", 100), ("50%", 2), ("0.5%", 200), ("33%", 3)] {
            assert_eq!(text.parse::<Share>().unwrap(), Share { every }, "{text}");
        }
        for wrong in ["", "%", "1", "0%", "51%", "-1%", "NaN%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
