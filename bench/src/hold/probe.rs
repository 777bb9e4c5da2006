//! Messages on a sample of the held connections: what a million idle ones do to those that are not.

use std::time::Duration;

use crate::args::per_second;
use crate::engine::{EchoPlan, Payload};

/// Most messages of one connection on their way. More wait for a place, which counts.
const DEPTH: u32 = 16;
/// Time before the measured time.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long echoes may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a sample of connections is probed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProbeArgs {
    /// Connections in the sample, evenly spread over all.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) probe_sample: u32,
    /// Messages per second over the whole sample, sent by the clock; latencies begin at the planned time.
    #[arg(long, value_name = "R/s", default_value = "1000", value_parser = per_second)]
    pub(crate) probe_rate: f64,
    /// Bytes of each message.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=125))]
    pub(crate) probe_size: u32,
}

impl ProbeArgs {
    /// The messages of a probe that takes so long.
    pub(crate) fn plan(&self, time: Duration) -> EchoPlan {
        EchoPlan {
            connections: self.probe_sample as usize,
            depth: DEPTH,
            size: self.probe_size as usize,
            rate: Some(self.probe_rate),
            payload: Payload::Letters,
            warm_up: WARM_UP,
            time,
            patience: PATIENCE,
        }
    }
}
