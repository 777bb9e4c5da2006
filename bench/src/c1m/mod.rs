//! `throng-bench c1m`: holds a million connections against throng through its ping cycles and says what each of them cost.

mod args;
mod client;
pub(crate) mod elsewhere;
pub(crate) mod figures;
pub(crate) mod load;
mod notes;
pub(crate) mod page;
mod pictures;
mod problems;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod rounds;
mod run;
pub(crate) mod session;
mod side;
mod timeline;

use crate::measure::interrupt::Interrupt;
use crate::report::deliver;
pub(crate) use args::C1mArgs;
use session::Session;

/// Runs the command. `false` when connections were lost, pings missed, or the two sides' counts disagree.
pub(crate) fn run(args: &C1mArgs) -> anyhow::Result<bool> {
    let interrupt = Interrupt::listen()?;
    let findings = Session::begin(args, &interrupt)?.measure()?;
    deliver(&findings, args.load.output.json.as_deref(), Some(&args.results))
}
