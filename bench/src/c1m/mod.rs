//! `throng-bench c1m`: holds a million connections against throng through its ping cycles and says what each of them cost.

pub mod kernel;
mod measure;
pub mod report;
mod server;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::args::{Rate, duration};
use crate::child;
use crate::interrupt::Interrupt;
use crate::linux::environment::Environment;
use crate::output;
use crate::progress::Bars;
use measure::Session;
use report::{C1mReport, Ratios};

/// Starts throng and clients as separate processes, holds connections through full ping cycles, tears down, and prints what
/// was held and lost, and what each connection cost in memory and processor time.
#[derive(Debug, Clone, clap::Args)]
pub struct C1mArgs {
    /// Connections to hold.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// The server program [default: throng beside this program].
    #[arg(long, value_name = "PATH")]
    pub server_bin: Option<PathBuf>,
    /// First measure a bare accept loop of the same shape, and compare ramp and kernel memory with it.
    #[arg(long)]
    pub floor: bool,
    /// The server's ping interval.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub ping_interval: Duration,
    /// How long the server waits for a pong.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub pong_timeout: Duration,
    /// Ping cycles to hold through: every connection must answer so many pings after the last one has opened.
    #[arg(long, value_name = "K", default_value_t = 2)]
    pub cycles: u32,
    /// Workers of the server [default: its own choice].
    #[arg(long, value_name = "W")]
    pub workers: Option<usize>,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub rate: Rate,
    /// How long the kernel may take to connect, and the server to answer a handshake or a close.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// What masking keys and nonces are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the report as JSON to this file, - for standard output instead of the text.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw progress bars even when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
}

/// Runs the command. `false` when connections were lost, pings missed, or the two sides' counts disagree.
///
/// # Errors
/// What keeps it from measuring.
pub fn run(args: &C1mArgs) -> anyhow::Result<bool> {
    let interrupt = Interrupt::listen()?;
    let environment = Environment::read();
    let session = Session { args, interrupt: &interrupt, bars: Bars::new(args.progress) };
    let floor = args.floor.then(|| session.measure_floor()).transpose().context("measuring the floor")?;
    let throng = session.measure_throng().context("measuring throng")?;
    let ratios = floor.as_ref().map(|floor| Ratios::of(&throng, floor));
    let report = C1mReport { environment, floor, throng, ratios };
    if let Some(path) = &args.json {
        output::write_json(path, &report)?;
    }
    if !output::is_standard(args.json.as_deref()) {
        output::print(text::Text(&report))?;
    }
    let floor_is_clean = report.floor.as_ref().is_none_or(|floor| floor.problems.is_empty());
    Ok(report.throng.problems.is_empty() && floor_is_clean)
}
