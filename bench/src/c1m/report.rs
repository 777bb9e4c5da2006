//! What `c1m` reports. The names of its fields in JSON are stable; docs/RESULTS.md explains them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::wire::Machine;
use crate::engine::Echoed;
use crate::measure::account::{CgroupCheck, SumOfParts};
use crate::measure::distribution::Distribution;
use crate::measure::environment::Environment;
use crate::measure::kernel::KernelMemory;
use crate::measure::reasons::Reasons;

/// The form of [`C1mReport`] in JSON: it changes when a field changes its name or meaning, not when one is added.
pub(crate) const SCHEMA: u32 = 1;

/// The whole report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct C1mReport {
    pub(crate) schema: u32,
    pub(crate) date: String,
    pub(crate) part: Option<Part>,
    pub(crate) environment: Environment,
    pub(crate) other_environments: Vec<Environment>,
    pub(crate) server_environment: Option<Environment>,
    pub(crate) sharing_kernel: u32,
    pub(crate) runs: Vec<RunReport>,
    pub(crate) growth: Option<Growth>,
}

/// Which part of a whole a report is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) session: String,
    pub(crate) machine: Machine,
}

/// throng, and the floor, with one number of connections.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RunReport {
    pub(crate) connections: u64,
    pub(crate) floor: Option<Measurement>,
    pub(crate) throng: Measurement,
    pub(crate) ratios: Option<Ratios>,
    pub(crate) rounds: Vec<Round>,
}

/// Figures of throng over those of the floor with as many connections in the same call, and the part of throng's kernel memory that
/// was left. `None` for what one of them has no figure of, and for kernel memory with less than
/// [`LEAST_CONNECTIONS`](crate::measure::account::LEAST_CONNECTIONS).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ratios(pub(crate) BTreeMap<String, Option<f64>>);

/// How the processor time of a ping cycle grew with the number of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) throng: f64,
    pub(crate) floor: f64,
    pub(crate) ratio: f64,
}

/// What one round came to, throng beside the floor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) throng: Costs,
    pub(crate) floor: Option<Costs>,
    pub(crate) throng_first: bool,
}

/// What a round measures by processor time and by the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Costs {
    pub(crate) ramp_seconds: f64,
    pub(crate) handshake_us: f64,
    pub(crate) ping_cycle_us: Option<f64>,
}

/// One server with its clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) server: String,
    pub(crate) connections: u64,
    pub(crate) share: u64,
    pub(crate) machines: u32,
    pub(crate) server_workers: usize,
    pub(crate) client_threads: usize,
    pub(crate) private_tables: bool,
    pub(crate) seed: u64,
    pub(crate) opened: u64,
    pub(crate) failed: Reasons,
    pub(crate) lost: Reasons,
    pub(crate) unclean: Reasons,
    pub(crate) closed: u64,
    pub(crate) open_after_ramp: BothSides,
    pub(crate) open_after_hold: BothSides,
    pub(crate) ramp_seconds: f64,
    pub(crate) connections_per_second: f64,
    pub(crate) ramp_cpu: RampCpu,
    pub(crate) handshake_us: Distribution,
    pub(crate) hold: Option<Hold>,
    pub(crate) probe: Option<Echoed>,
    pub(crate) user: UserMemory,
    pub(crate) kernel: Option<KernelMemory>,
    pub(crate) cgroup: Option<CgroupCheck>,
    pub(crate) sum: Option<SumOfParts>,
    pub(crate) after: After,
    pub(crate) close_seconds: f64,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<String>,
}

/// Processor time of a ramp in seconds. It is steadier than the ramp's own time, which others on the machine lengthen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RampCpu {
    pub(crate) server_seconds: f64,
    pub(crate) client_seconds: f64,
    pub(crate) others_seconds: f64,
    pub(crate) server_us_per_handshake: f64,
}

/// The same count from both ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BothSides {
    pub(crate) client: u64,
    pub(crate) server: u64,
}

/// The time between the last opening and the first closing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) seconds: f64,
    pub(crate) cycles: u32,
    pub(crate) ping_interval_seconds: f64,
    pub(crate) pings_sent: u64,
    pub(crate) pongs_received: u64,
    pub(crate) pong_timeouts: u64,
    pub(crate) min_pings_per_connection: u64,
    pub(crate) ping_rtt_us: Distribution,
    pub(crate) server_cpu_cores: f64,
    pub(crate) cpu_us_per_ping_cycle: f64,
    pub(crate) client_cpu_us_per_ping_cycle: f64,
}

/// User memory: `RssAnon + RssShmem + HugetlbPages + VmSwap` in bytes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct UserMemory {
    pub(crate) server_at_zero: u64,
    pub(crate) server_at_n: u64,
    pub(crate) server_bytes_per_connection: f64,
    pub(crate) client_at_zero: u64,
    pub(crate) client_at_n: u64,
    pub(crate) client_bytes_per_connection: f64,
}

/// What was left when all connections had gone and the server still ran.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct After {
    pub(crate) server_open: u64,
    pub(crate) server_user: u64,
    pub(crate) kernel_left: Option<i64>,
    pub(crate) time_wait: Option<i64>,
    pub(crate) settled_seconds: f64,
}

impl C1mReport {
    /// Whether nothing was lost and both sides counted the same, with every number of connections.
    pub(crate) fn is_clean(&self) -> bool {
        self.measurements().all(|measurement| measurement.problems.is_empty())
    }

    /// All measurements in the order in which they were made.
    pub(crate) fn measurements(&self) -> impl Iterator<Item = &Measurement> {
        self.runs.iter().flat_map(|run| run.floor.iter().chain([&run.throng]))
    }
}

impl Measurement {
    /// Connections held to the end.
    pub(crate) fn held(&self) -> BothSides {
        if self.hold.is_some() { self.open_after_hold } else { self.open_after_ramp }
    }
}
