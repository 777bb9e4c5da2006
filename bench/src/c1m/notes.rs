//! What a run notes between its phases: processor time and memory, by the readings of the server's machine.

use std::time::Duration;

use super::report::{After, BothSides, Measurement, RampCpu, UserMemory};
use crate::agent::wire::Meeting;
use crate::measure::account::Between;
use crate::measure::cgroup::Charges;
use crate::measure::kernel::Ends;
use crate::servers::host::Reading;

/// What is known so far.
pub(super) struct Notes {
    pub(super) report: Measurement,
    /// The ends of each connection on the server's machine; `None` where that differs.
    pub(super) ends: Option<Ends>,
    /// Which kernel memory the server's control group is charged with; `None` without a group.
    pub(super) charges: Option<Charges>,
}

impl Notes {
    /// Notes where the ramp's processor time went, and tells when others took much: its time is not ours alone then.
    pub(super) fn note_ramp(&mut self, zero: &Meeting, ramped: &Meeting) {
        let (before, after) = (&zero.reading.left, &ramped.reading.arrived);
        let server_seconds = seconds(before.cpu_nanos, after.cpu_nanos);
        let client_seconds = seconds(zero.clients.cpu_nanos, ramped.clients.cpu_nanos);
        let own = server_seconds + if self.has_both_ends() { client_seconds } else { 0.0 };
        let others_seconds = (seconds(before.machine_cpu_nanos, after.machine_cpu_nanos) - own).max(0.0);
        let server_us_per_handshake = micros_each(server_seconds, ramped.clients.open);
        self.report.ramp_cpu =
            RampCpu { server_seconds, client_seconds, others_seconds, server_us_per_handshake };
        if others_seconds > 1.0 + 0.1 * own {
            self.report.warnings.push(format!(
                "other programs took {others_seconds:.1} s of processor time in the ramp: it was slower for that"
            ));
        }
        self.report.open_after_ramp = both_sides(ramped);
    }

    /// Notes memory with all connections: of several looks the one at which the server had most.
    pub(super) fn note_memory(&mut self, zero: &Meeting, now: &Meeting) {
        let between = self.between(&zero.reading, &now.reading, now.clients.open);
        let client = between.per_connection(zero.clients.user_bytes, now.clients.user_bytes);
        let user = UserMemory {
            server_at_zero: zero.reading.memory.user_bytes,
            server_at_n: now.reading.memory.user_bytes,
            server_bytes_per_connection: between
                .per_connection(zero.reading.memory.user_bytes, now.reading.memory.user_bytes),
            client_at_zero: zero.clients.user_bytes,
            client_at_n: now.clients.user_bytes,
            client_bytes_per_connection: client,
        };
        if user.server_at_n < self.report.user.server_at_n {
            return;
        }
        let kernel = between.kernel();
        self.report.cgroup =
            self.charges.zip(kernel.as_ref()).and_then(|(charges, kernel)| between.cgroup(charges, kernel));
        let client = if self.has_both_ends() { client } else { 0.0 };
        self.report.sum = kernel.as_ref().and_then(|kernel| between.sum(kernel, client));
        if let Some(foreign) = between.foreign_sockets() {
            self.report.warnings.push(format!(
                "other programs' sockets changed by {foreign}: the kernel memory below is not the connections' alone"
            ));
        }
        (self.report.user, self.report.kernel) = (user, kernel);
    }

    /// Notes what is left when all have gone.
    pub(super) fn note_end(&mut self, zero: &Reading, last: &Reading, settled: Duration) {
        let between = self.between(zero, last, self.report.connections);
        let left = between.kernel().map(|kernel| kernel.total_bytes);
        if left.is_some_and(|left| left < -4_000_000) {
            self.report
                .warnings
                .push("other programs closed sockets: what is left afterwards is too low".to_owned());
        }
        self.report.after = After {
            server_open: last.left.counts.open,
            server_user: last.memory.user_bytes,
            kernel_left: left,
            time_wait: between.time_wait(),
            settled_seconds: settled.as_secs_f64(),
        };
    }

    fn between<'r>(&self, zero: &'r Reading, now: &'r Reading, connections: u64) -> Between<'r> {
        Between { zero: &zero.memory, now: &now.memory, connections, ends: self.ends }
    }

    /// Whether the clients' processor time and memory are those of the server's machine, too.
    fn has_both_ends(&self) -> bool {
        self.ends == Some(Ends::Both)
    }
}

pub(super) fn both_sides(meeting: &Meeting) -> BothSides {
    BothSides { client: meeting.clients.open, server: meeting.reading.left.counts.open }
}

pub(super) fn seconds(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64 / 1e9
}

/// Seconds shared by so many, in microseconds for each.
pub(super) fn micros_each(seconds: f64, number: u64) -> f64 {
    if number == 0 { 0.0 } else { seconds * 1e6 / number as f64 }
}
