//! The options of `throng-bench churn`.

use std::time::Duration;

use crate::args::{OutputArgs, ServeArgs, duration};

/// Starts throng, holds connections to it, and beside them has others come and go at random, in every rude way there is. Fails
/// when a held connection is lost, a visitor is let down, memory grows, or anything is left when all have gone.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChurnArgs {
    /// Connections to hold from the beginning to the end.
    #[arg(long, value_name = "H", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) held: u32,
    /// Slots for visitors: each is taken by one after the other.
    #[arg(long, value_name = "P", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) population: u32,
    /// How long to go on once the population has been filled, which is what is judged.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) steady: Duration,
    /// How long the population is left to itself before that, at least [default: --life, in which it fills]. Free memory that
    /// allocators keep grows for some minutes more, ever more slowly: the larger the population, the longer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) warm_up: Option<Duration>,
    /// Mean time that a visitor stays.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) life: Duration,
    /// Mean time between two visitors of a slot [default: a tenth of --life].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) pause: Option<Duration>,
    /// The server's ping interval.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) ping_interval: Duration,
    /// How long the server waits for a pong.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) pong_timeout: Duration,
    #[command(flatten)]
    pub(crate) server: ServeArgs,
    /// Most connections of either kind being opened, or closed at the end, at the same time.
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// How long the kernel may take to connect, and the server to answer a handshake or a close.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// What visits, masking keys and nonces are drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl ChurnArgs {
    pub(super) fn pause(&self) -> Duration {
        self.pause.unwrap_or(self.life / 10)
    }

    pub(super) fn warm_up(&self) -> Duration {
        self.warm_up.unwrap_or(self.life)
    }
}
