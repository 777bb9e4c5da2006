//! What `c1m` reports. The names of its fields in JSON are stable.

use serde::Serialize;

use super::kernel::KernelMemory;
use crate::linux::environment::Environment;
use crate::percentiles::Percentiles;
use crate::swarm::Reasons;

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct C1mReport {
    /// The machine and the command.
    pub environment: Environment,
    /// The bare accept loop, if it was measured.
    pub floor: Option<Measurement>,
    /// throng.
    pub throng: Measurement,
    /// throng beside the floor.
    pub ratios: Option<Ratios>,
}

/// One server with its clients.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measurement {
    /// Which server: `throng` or `floor`.
    pub server: &'static str,
    /// Connections that were to be held.
    pub connections: u64,
    /// The server's threads with an event loop.
    pub server_workers: usize,
    /// The client's.
    pub client_threads: usize,
    /// Whether workers have descriptor tables of their own.
    pub private_tables: bool,
    /// The seed of the client's masking keys and nonces.
    pub seed: u64,
    /// How the opening went, by the client's count.
    pub opened: u64,
    /// Connections that did not open, by reason.
    pub failed: Reasons,
    /// Connections lost while held, by reason.
    pub lost: Reasons,
    /// Connections whose closing went wrong, by reason.
    pub unclean: Reasons,
    /// Connections closed in order.
    pub closed: u64,
    /// Open connections when all had opened, by the client's count and by the server's.
    pub open_after_ramp: BothSides,
    /// Open connections at the end of the hold, by the client's count and by the server's.
    pub open_after_hold: BothSides,
    /// Seconds from the first connect to the last open connection.
    pub ramp_seconds: f64,
    /// Connections opened per second.
    pub connections_per_second: f64,
    /// Processor time of the ramp.
    pub ramp_cpu: RampCpu,
    /// From the start of each connect to its open WebSocket, in microseconds.
    pub handshake_us: Percentiles,
    /// What was seen while connections were held; the floor only accepts.
    pub hold: Option<Hold>,
    /// User memory of both processes.
    pub user: UserMemory,
    /// Kernel memory by slab cache at N connections; `None` where it cannot be read.
    pub kernel: Option<KernelMemory>,
    /// By how many bytes per connection the machine's free memory and page cache fell: both sides, and what is not in slabs.
    pub machine_bytes_per_connection: f64,
    /// What was left when all connections had gone.
    pub after: After,
    /// Seconds it took to close all connections.
    pub close_seconds: f64,
    /// What makes figures doubtful without making the run a failure.
    pub warnings: Vec<String>,
    /// What was not as it should be; nothing in a good run.
    pub problems: Vec<String>,
}

/// Processor time of a ramp in seconds. It is steadier than the ramp's own time, which others on the machine lengthen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RampCpu {
    /// The server's.
    pub server_seconds: f64,
    /// The client's.
    pub client_seconds: f64,
    /// That of everything else on the machine, the kernel's own threads included.
    pub others_seconds: f64,
}

/// The same count from both ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BothSides {
    /// The client's.
    pub client: u64,
    /// The server's.
    pub server: u64,
}

/// The time between the last opening and the first closing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Hold {
    /// Its length.
    pub seconds: f64,
    /// Ping cycles it was to last.
    pub cycles: u32,
    /// The server's ping interval in seconds.
    pub ping_interval_seconds: f64,
    /// Pings the server sent in it.
    pub pings_sent: u64,
    /// Pongs the server received in it.
    pub pongs_received: u64,
    /// Connections the server dropped because a pong did not come in time.
    pub pong_timeouts: u64,
    /// Pings answered by the connection that answered fewest.
    pub min_pings_per_connection: u64,
    /// From ping to pong as the server saw it, in microseconds.
    pub ping_rtt_us: Percentiles,
    /// Processors the server kept busy.
    pub server_cpu_cores: f64,
    /// The server's processor time in microseconds by pings sent.
    pub cpu_us_per_ping_cycle: f64,
}

/// User memory: `RssAnon + RssShmem + HugetlbPages + VmSwap` in bytes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct UserMemory {
    /// Of the server without connections.
    pub server_at_zero: u64,
    /// Of the server with all connections: its undivided total, the larger of that after the ramp and that after the hold.
    pub server_at_n: u64,
    /// The difference by connection.
    pub server_bytes_per_connection: f64,
    /// Of the client without connections.
    pub client_at_zero: u64,
    /// Of the client with all connections.
    pub client_at_n: u64,
    /// The difference by connection.
    pub client_bytes_per_connection: f64,
}

/// What was left when all connections had gone and the server still ran.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct After {
    /// Connections that the server still counted as open.
    pub server_open: u64,
    /// The server's user memory in bytes.
    pub server_user: u64,
    /// Bytes in the caches of connections beyond those at the start; `None` where they cannot be read.
    pub kernel_left: Option<i64>,
    /// Bytes of connections in `TIME_WAIT`, not in [`kernel_left`](Self::kernel_left): TCP keeps them for a minute at the side
    /// that closed first, up to `net.ipv4.tcp_max_tw_buckets`.
    pub time_wait: Option<i64>,
    /// Seconds after the last close until kernel memory had settled there.
    pub settled_seconds: f64,
}

/// throng beside the floor, in one call.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratios {
    /// throng's ramp time over the floor's.
    pub ramp: f64,
    /// Whether that is at most [`Ratios::RAMP_GOAL`].
    pub ramp_met: bool,
    /// Processor time of throng's ramp, both sides, over the floor's.
    pub ramp_cpu: f64,
    /// throng's kernel bytes per connection over the floor's; `None` where they cannot be read.
    pub kernel: Option<f64>,
    /// Whether they differ by at most [`Ratios::KERNEL_GOAL`].
    pub kernel_met: Option<bool>,
    /// Whether kernel memory came back: at most [`Ratios::LEFT_GOAL`] of it was left at the end.
    pub kernel_back: Option<bool>,
}

impl Ratios {
    /// The ramp may take so many times as long as the floor's.
    pub const RAMP_GOAL: f64 = 1.7;
    /// Kernel bytes per connection may differ from the floor's by so much.
    pub const KERNEL_GOAL: f64 = 0.02;
    /// So much of the connections' kernel memory may be left when they have gone: slabs kept for reuse.
    pub const LEFT_GOAL: f64 = 0.02;

    /// Compares.
    #[must_use]
    pub fn of(throng: &Measurement, floor: &Measurement) -> Self {
        let ramp = throng.ramp_seconds / floor.ramp_seconds;
        let bytes = |of: &Measurement| of.kernel.as_ref().map(|kernel| kernel.server_bytes_per_connection);
        let kernel = bytes(throng).zip(bytes(floor)).map(|(throng, floor)| throng / floor);
        Self {
            ramp,
            ramp_met: ramp <= Self::RAMP_GOAL,
            ramp_cpu: throng.ramp_cpu.both() / floor.ramp_cpu.both(),
            kernel,
            kernel_met: kernel.map(|ratio| (ratio - 1.0).abs() <= Self::KERNEL_GOAL),
            kernel_back: throng.kernel_came_back(),
        }
    }
}

impl RampCpu {
    /// Both sides' together.
    #[must_use]
    pub fn both(self) -> f64 {
        self.server_seconds + self.client_seconds
    }
}

impl Measurement {
    /// Whether the connections' kernel memory was given back; `None` where it cannot be read.
    #[must_use]
    pub fn kernel_came_back(&self) -> Option<bool> {
        let (left, taken) = (self.after.kernel_left?, self.kernel.as_ref()?.total_bytes);
        #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
        Some(left as f64 <= taken as f64 * Ratios::LEFT_GOAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(ramp_seconds: f64, kernel: f64, left: i64) -> Measurement {
        let kernel =
            KernelMemory { server_bytes_per_connection: kernel, total_bytes: 8_000, caches: Vec::new() };
        let after = After { kernel_left: Some(left), ..After::default() };
        Measurement { ramp_seconds, kernel: Some(kernel), after, ..Measurement::default() }
    }

    #[test]
    fn goals_are_met_or_missed() {
        let floor = measured(10.0, 4_000.0, 0);
        let good = Ratios::of(&measured(16.0, 4_050.0, 100), &floor);
        assert_eq!((good.ramp_met, good.kernel_met, good.kernel_back), (true, Some(true), Some(true)));
        let bad = Ratios::of(&measured(18.0, 4_100.0, 200), &floor);
        assert_eq!((bad.ramp_met, bad.kernel_met, bad.kernel_back), (false, Some(false), Some(false)));
    }
}
