//! The command line.

use super::elsewhere::ElsewhereArgs;
use super::load::LoadArgs;
use crate::args::ResultsArgs;

/// The smallest number of connections in a sweep.
const SWEEP_FROM: u32 = 10_000;

/// Starts throng and clients as separate processes, or clients only for a server on another machine (--server), holds connections through full ping cycles, tears down, and prints what
/// was held and lost, and what each connection cost in memory and processor time.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct C1mArgs {
    /// Connections to hold.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Measure powers of ten from 10,000 up to -n, one after the other.
    #[arg(long)]
    pub(crate) sweep: bool,
    /// First measure a server of the same shape without WebSocket code, and compare with it.
    #[arg(long)]
    pub(crate) floor: bool,
    /// Measure each number of connections so many times, throng and the floor first by turns, and take the medians.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Where the server is.
    #[command(flatten)]
    pub(crate) elsewhere: ElsewhereArgs,
    /// How connections are opened and held.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) results: ResultsArgs,
}

impl C1mArgs {
    /// The numbers of connections to measure, the smallest first: powers of ten from [`SWEEP_FROM`] on, and the largest.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let powers = std::iter::successors(Some(SWEEP_FROM), |&number| number.checked_mul(10));
        let below = powers.take_while(|&number| self.sweep && number < self.connections);
        below.chain([self.connections]).collect()
    }
}
