//! `throng-bench hold`: connections to any WebSocket server, opened, kept and closed.

pub(crate) mod args;
pub(crate) mod control;
mod page;
pub(crate) mod probe;
pub(crate) mod report;
mod run;

use anyhow::ensure;

use crate::measure::interrupt::Interrupt;
use crate::report::{Report, json};
use args::HoldArgs;
use control::Event;
use report::HoldReport;
use run::Hold;

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
