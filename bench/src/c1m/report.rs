//! What `c1m` reports. The names of its fields in JSON are stable.

use serde::{Deserialize, Serialize};

use super::figures::{Growth, Ratios};
use super::rounds::Round;
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct C1mReport {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The day on which it began (UTC), as in 2026-01-31.
    pub(crate) date: String,
    /// The session of all load machines of this run and the one this report is of; `None` where there is only one, and once the
    /// reports of all have been put together.
    pub(crate) part: Option<Part>,
    /// The machine of the clients and the command; that of the server too, where they are one. Of several load machines the first.
    pub(crate) environment: Environment,
    /// The other load machines.
    pub(crate) other_environments: Vec<Environment>,
    /// Where the server ran, if elsewhere.
    pub(crate) server_environment: Option<Environment>,
    /// Load machines whose kernel is the server's: the machine itself, or namespaces of it.
    pub(crate) sharing_kernel: u32,
    /// One for each number of connections, the smallest first.
    pub(crate) runs: Vec<RunReport>,
    /// How costs grew from the smallest number to the largest; `None` for one number, or without a floor.
    pub(crate) growth: Option<Growth>,
}

/// Which part of a whole a report is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The session's name, the same in the reports of all its load machines.
    pub(crate) session: String,
    /// The load machine.
    pub(crate) machine: Machine,
}

/// throng, and the floor, with one number of connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunReport {
    /// Connections that were to be held.
    pub(crate) connections: u64,
    /// The system calls alone, if they were measured.
    pub(crate) floor: Option<Measurement>,
    /// throng. Of several rounds both are of the one in the middle, by the ratio of their ping cycles.
    pub(crate) throng: Measurement,
    /// throng beside the floor: the median of each figure over all rounds.
    pub(crate) ratios: Option<Ratios>,
    /// All rounds, in their order.
    pub(crate) rounds: Vec<Round>,
}

/// One server with its clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Which server: `throng` or `floor`.
    pub(crate) server: String,
    /// Connections that were to be held, by all load machines.
    pub(crate) connections: u64,
    /// Those of them that were this report's load machine's.
    pub(crate) share: u64,
    /// Load machines.
    pub(crate) machines: u32,
    /// The server's threads with an event loop.
    pub(crate) server_workers: usize,
    /// The clients', of the load machines that this report is of.
    pub(crate) client_threads: usize,
    /// Whether the server's workers have descriptor tables of their own.
    pub(crate) private_tables: bool,
    /// The seed of the clients' masking keys and nonces.
    pub(crate) seed: u64,
    /// How the opening went, by the clients' count.
    pub(crate) opened: u64,
    /// Connections that did not open, by reason.
    pub(crate) failed: Reasons,
    /// Connections lost while held, by reason.
    pub(crate) lost: Reasons,
    /// Connections whose closing went wrong, by reason.
    pub(crate) unclean: Reasons,
    /// Connections closed in order.
    pub(crate) closed: u64,
    /// Open connections when all had opened, by the clients' count and by the server's.
    pub(crate) open_after_ramp: BothSides,
    /// Open connections at the end of the hold, by the clients' count and by the server's.
    pub(crate) open_after_hold: BothSides,
    /// Seconds from the first connect to the last open connection.
    pub(crate) ramp_seconds: f64,
    /// Connections opened per second.
    pub(crate) connections_per_second: f64,
    /// Processor time of the ramp.
    pub(crate) ramp_cpu: RampCpu,
    /// From the start of each connect to its open WebSocket, in microseconds.
    pub(crate) handshake_us: Distribution,
    /// What was seen while connections were held.
    pub(crate) hold: Option<Hold>,
    /// Echoes over some of the connections once the hold was over; `None` when none were asked for.
    pub(crate) probe: Option<Echoed>,
    /// User memory of both processes.
    pub(crate) user: UserMemory,
    /// Kernel memory by slab cache at N connections; `None` where it cannot be read.
    pub(crate) kernel: Option<KernelMemory>,
    /// The server's control group as a second opinion; `None` where none could be made.
    pub(crate) cgroup: Option<CgroupCheck>,
    /// Whether the parts explain what the machine has less; `None` where the kernel's part is unknown.
    pub(crate) sum: Option<SumOfParts>,
    /// What was left when all connections had gone.
    pub(crate) after: After,
    /// Seconds it took to close all connections.
    pub(crate) close_seconds: f64,
    /// What makes figures doubtful without making the run a failure.
    pub(crate) warnings: Vec<String>,
    /// What was not as it should be; nothing in a good run.
    pub(crate) problems: Vec<String>,
}

/// Processor time of a ramp in seconds. It is steadier than the ramp's own time, which others on the machine lengthen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RampCpu {
    /// The server's.
    pub(crate) server_seconds: f64,
    /// The clients', those of all load machines.
    pub(crate) client_seconds: f64,
    /// That of everything else on the server's machine, the kernel's own threads included.
    pub(crate) others_seconds: f64,
    /// The server's, in microseconds for each connection.
    pub(crate) server_us_per_handshake: f64,
}

/// The same count from both ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BothSides {
    /// The client's.
    pub(crate) client: u64,
    /// The server's.
    pub(crate) server: u64,
}

/// The time between the last opening and the first closing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// Its length.
    pub(crate) seconds: f64,
    /// Ping cycles it was to last.
    pub(crate) cycles: u32,
    /// The server's ping interval in seconds.
    pub(crate) ping_interval_seconds: f64,
    /// Pings the server sent in it.
    pub(crate) pings_sent: u64,
    /// Pongs the server received in it.
    pub(crate) pongs_received: u64,
    /// Connections the server dropped because a pong did not come in time.
    pub(crate) pong_timeouts: u64,
    /// Pings answered by the connection that answered fewest.
    pub(crate) min_pings_per_connection: u64,
    /// From ping to pong as the server saw it, in microseconds.
    pub(crate) ping_rtt_us: Distribution,
    /// Processors the server kept busy.
    pub(crate) server_cpu_cores: f64,
    /// The server's processor time in microseconds by pings sent.
    pub(crate) cpu_us_per_ping_cycle: f64,
    /// The clients' processor time in microseconds by pings answered.
    pub(crate) client_cpu_us_per_ping_cycle: f64,
}

/// User memory: `RssAnon + RssShmem + HugetlbPages + VmSwap` in bytes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct UserMemory {
    /// Of the server without connections.
    pub(crate) server_at_zero: u64,
    /// Of the server with all connections: its undivided total, the larger of that after the ramp and that after the hold.
    pub(crate) server_at_n: u64,
    /// The difference by connection.
    pub(crate) server_bytes_per_connection: f64,
    /// Of the client without connections.
    pub(crate) client_at_zero: u64,
    /// Of the client with all connections.
    pub(crate) client_at_n: u64,
    /// The difference by connection.
    pub(crate) client_bytes_per_connection: f64,
}

/// What was left when all connections had gone and the server still ran.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct After {
    /// Connections that the server still counted as open.
    pub(crate) server_open: u64,
    /// The server's user memory in bytes.
    pub(crate) server_user: u64,
    /// Bytes in the caches of connections beyond those at the start; `None` where they cannot be read.
    pub(crate) kernel_left: Option<i64>,
    /// Bytes of connections in `TIME_WAIT`, not in [`kernel_left`](Self::kernel_left): TCP keeps them for a minute at the side
    /// that closed first, up to `net.ipv4.tcp_max_tw_buckets`.
    pub(crate) time_wait: Option<i64>,
    /// Seconds after the last close until kernel memory had settled there.
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
