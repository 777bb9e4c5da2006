//! `throng-bench churn`: connections that come and go at random do no harm to those that stay.

pub(crate) mod args;
mod page;
mod plan;
pub(crate) mod report;
pub(crate) mod samples;
mod session;
mod visit;
pub(crate) mod visits;

use anyhow::ensure;

use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::report::deliver;
use args::ChurnArgs;
use session::Session;

/// Runs the command. `false` when something is not as it should be.
pub(crate) fn run(args: &ChurnArgs) -> anyhow::Result<bool> {
    ensure!(!args.life.is_zero() && !args.steady.is_zero(), "--life and --for must be longer than nothing");
    let interrupt = Interrupt::listen()?;
    let report = Session::start(args, &interrupt, Bars::new(args.output.progress))?.run()?;
    deliver(&report, args.output.json.as_deref(), None)
}
