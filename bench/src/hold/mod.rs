//! `throng-bench hold`: connections to any WebSocket server, opened, kept and closed.

pub(crate) mod control;
mod page;
pub(crate) mod probe;
mod run;

use std::time::Duration;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::args::{OutputArgs, Rate, duration};
use crate::engine::args::ClientArgs;
use crate::engine::{Echoed, Opening, Outcome};
use crate::measure::interrupt::Interrupt;
use crate::measure::watch::{ServerCosts, WatchArgs};
use crate::report::{Report, json};
use control::Event;
use probe::ProbeArgs;
use run::Hold;

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

/// What a hold came to. The names of its fields in JSON are stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldReport {
    /// Connections that were to be opened.
    pub(crate) connections: u64,
    /// Threads that held them.
    pub(crate) threads: usize,
    /// Whether each thread had a descriptor table of its own.
    pub(crate) private_tables: bool,
    /// Whether connections were bare TCP.
    pub(crate) raw: bool,
    /// Source addresses in use.
    pub(crate) sources: usize,
    /// The seed of masking keys and nonces.
    pub(crate) seed: u64,
    /// How the opening went.
    #[serde(flatten)]
    pub(crate) opening: Opening,
    /// Seconds from the end of the ramp to the beginning of the close.
    pub(crate) held_seconds: f64,
    /// Messages that came back, if they were sent.
    pub(crate) probe: Option<Echoed>,
    /// How everything went afterwards.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// What the server's processes took, if they were watched.
    pub(crate) server: Option<ServerCosts>,
}

/// Opens connections, holds them and closes them again.
pub(crate) fn measure(args: &HoldArgs, interrupt: &Interrupt) -> anyhow::Result<HoldReport> {
    Hold::start(args, interrupt)?.run()
}

/// Runs the command. `false` when a connection failed or was lost.
pub(crate) fn run(args: &HoldArgs) -> anyhow::Result<bool> {
    ensure!(
        !args.controlled || !json::is_standard(args.output.json.as_deref()),
        "with --controlled standard output carries events: give --json a file"
    );
    let report = measure(args, &Interrupt::listen()?)?;
    if let Some(path) = &args.output.json {
        json::write_json(path, &report)?;
    }
    if args.controlled {
        Event::Closed(Box::new(report.clone())).emit()?;
    } else if !json::is_standard(args.output.json.as_deref()) {
        json::print(report.page())?;
    }
    Ok(report.is_clean())
}
