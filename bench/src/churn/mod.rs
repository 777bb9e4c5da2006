//! `throng-bench churn`: connections that come and go at random do no harm to those that stay.

mod client;
mod leave;
mod plan;
mod population;
pub mod report;
pub mod samples;
mod session;
mod shared;
mod slot;
mod text;
mod visit;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::args::duration;
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Bars;
use session::Session;

pub use shared::Visits;
pub use visit::Way;

/// Starts throng, holds connections to it, and beside them has others come and go at random, in every rude way there is. Fails
/// when a held connection is lost, a visitor is let down, memory grows, or anything is left when all have gone.
#[derive(Debug, Clone, clap::Args)]
pub struct ChurnArgs {
    /// Connections to hold from the beginning to the end.
    #[arg(long, value_name = "H", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub held: u32,
    /// Slots for visitors: each is taken by one after the other.
    #[arg(long, value_name = "P", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub population: u32,
    /// How long to go on once the population has been filled, which is what is judged.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub steady: Duration,
    /// How long the population is left to itself before that, at least [default: --life, in which it fills]. Free memory that
    /// allocators keep grows for some minutes more, ever more slowly: the larger the population, the longer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub warm_up: Option<Duration>,
    /// Mean time that a visitor stays.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub life: Duration,
    /// Mean time between two visitors of a slot [default: a tenth of --life].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub pause: Option<Duration>,
    /// The server program [default: throng beside this program].
    #[arg(long, value_name = "PATH")]
    pub server_bin: Option<PathBuf>,
    /// The server's ping interval.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub ping_interval: Duration,
    /// How long the server waits for a pong.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub pong_timeout: Duration,
    /// Workers of the server [default: its own choice].
    #[arg(long, value_name = "W")]
    pub workers: Option<usize>,
    /// Most connections of either kind being opened, or closed at the end, at the same time.
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight: u32,
    /// How long the kernel may take to connect, and the server to answer a handshake or a close.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// What visits, masking keys and nonces are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the report as JSON to this file, - for standard output instead of the text.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw progress bars even when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
}

impl ChurnArgs {
    fn pause(&self) -> Duration {
        self.pause.unwrap_or(self.life / 10)
    }

    fn warm_up(&self) -> Duration {
        self.warm_up.unwrap_or(self.life)
    }
}

/// Runs the command. `false` when something is not as it should be.
///
/// # Errors
/// What keeps it from running at all.
pub fn run(args: &ChurnArgs) -> anyhow::Result<bool> {
    ensure!(!args.life.is_zero() && !args.steady.is_zero(), "--life and --for must be longer than nothing");
    let interrupt = Interrupt::listen()?;
    let report = Session::start(args, &interrupt, Bars::new(args.progress))?.run()?;
    output::deliver(args.json.as_deref(), &report, text::Text(&report))?;
    Ok(report.problems.is_empty())
}
