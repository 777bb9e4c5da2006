//! Memory, told apart and checked against what the machine says.

use serde::{Deserialize, Serialize};

use super::cgroup::{Cgroup, Charges};
use super::kernel::{Ends, KernelMemory, Side};
use super::machine::MachineMemory;
use super::process::user_bytes;
use super::slab::Slabs;

/// With fewer connections, what the rest of the machine does meanwhile is too large a part of its memory to judge by.
pub(crate) const LEAST_CONNECTIONS: u64 = 50_000;

/// The server's kernel memory as its control group counts it, beside what the slab caches say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CgroupCheck {
    pub(crate) charges: Charges,
    pub(crate) bytes_per_connection: f64,
    /// Bytes per connection in slab caches, of what the group is charged with: without the sockets, where it does not know them.
    pub(crate) slab_bytes_per_connection: f64,
    /// The group's figure over the slabs'. The slabs count pages with what is unused in them; the group counts objects.
    pub(crate) ratio: f64,
}

/// The sum of all parts beside what the machine has less. Where the clients are on the machine too, both ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SumOfParts {
    pub(crate) user: f64,
    /// Slab caches of connections, and the change in those of `TIME_WAIT`, in bytes per connection.
    pub(crate) kernel: f64,
    pub(crate) sum: f64,
    pub(crate) available_fell: f64,
    pub(crate) reclaimable_grew: f64,
    pub(crate) free_fell: f64,
    pub(crate) explained: f64,
}

impl SumOfParts {
    /// The sum may differ from what the machine has less by so much.
    pub(crate) const GOAL: f64 = 0.05;

    /// Whether the parts explain the whole.
    pub(crate) fn is_met(&self) -> bool {
        (self.explained - 1.0).abs() <= Self::GOAL
    }
}

/// Memory of a server and of its machine at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The server's user memory in bytes.
    pub(crate) user_bytes: u64,
    pub(crate) machine: MachineMemory,
    /// Kernel memory by slab cache; `None` where it cannot be read.
    pub(crate) slabs: Option<Slabs>,
    /// What the server's control group is charged with in bytes; `None` without a group.
    pub(crate) cgroup_bytes: Option<u64>,
}

impl Memory {
    pub(crate) fn read(pid: u32, cgroup: Option<&Cgroup>) -> anyhow::Result<Self> {
        Ok(Self {
            user_bytes: user_bytes(pid)?,
            machine: MachineMemory::read()?,
            slabs: Slabs::read().ok(),
            cgroup_bytes: cgroup.map(Cgroup::kernel_bytes).transpose()?,
        })
    }
}

/// What changed between two readings of the server's machine.
pub(crate) struct Between<'a> {
    pub(crate) zero: &'a Memory,
    pub(crate) now: &'a Memory,
    /// Connections that the server had more.
    pub(crate) connections: u64,
    /// The ends of each connection on this machine; `None` where that differs.
    pub(crate) ends: Option<Ends>,
}

impl Between<'_> {
    /// `now` less `zero`, by connection.
    pub(crate) fn per_connection(&self, zero: u64, now: u64) -> f64 {
        (now as f64 - zero as f64) / self.connections.max(1) as f64
    }

    pub(crate) fn kernel(&self) -> Option<KernelMemory> {
        let (zero, now) = self.slabs()?;
        Some(KernelMemory::between(zero, now, self.connections, self.ends?))
    }

    pub(crate) fn cgroup(&self, charges: Charges, kernel: &KernelMemory) -> Option<CgroupCheck> {
        let (zero, now) = self.zero.cgroup_bytes.zip(self.now.cgroup_bytes)?;
        let is_charged = |name: &str| charges == Charges::All || !matches!(name, "TCP" | "TCPv6");
        let charged = kernel.caches.iter().filter(|cache| is_charged(&cache.name));
        let slab_bytes_per_connection = charged.map(|cache| cache.server_bytes_per_connection).sum();
        let bytes_per_connection = self.per_connection(zero, now);
        let ratio: f64 = bytes_per_connection / slab_bytes_per_connection;
        // A few connections take no new slab.
        ratio.is_finite().then_some(CgroupCheck {
            charges,
            bytes_per_connection,
            slab_bytes_per_connection,
            ratio,
        })
    }

    /// `client` is what the clients' user memory grew by, if they are on this machine.
    pub(crate) fn sum(&self, kernel: &KernelMemory, client: f64) -> Option<SumOfParts> {
        let (zero, now) = (&self.zero.machine, &self.now.machine);
        let user = self.per_connection(self.zero.user_bytes, self.now.user_bytes) + client;
        // What others' `TIME_WAIT` gave back meanwhile the machine has more.
        let bytes = kernel.total_bytes + self.time_wait().unwrap_or(0);
        let kernel = bytes as f64 / self.connections.max(1) as f64;
        let available_fell = self.per_connection(now.available, zero.available);
        let reclaimable_grew = self.per_connection(zero.reclaimable, now.reclaimable);
        let explained = (user + kernel) / (available_fell + reclaimable_grew);
        explained.is_finite().then_some(SumOfParts {
            user,
            kernel,
            sum: user + kernel,
            available_fell,
            reclaimable_grew,
            free_fell: self.per_connection(now.free, zero.free),
            explained,
        })
    }

    /// Sockets that other programs opened or closed meanwhile, which make the kernel's figures theirs too.
    pub(crate) fn foreign_sockets(&self) -> Option<u64> {
        let sockets = |of: &Slabs| i64::try_from(of.0.get("TCP")?.objects).ok();
        let (zero, now) = self.slabs()?;
        let ends = if self.ends? == Ends::Both { 2 } else { 1 };
        let own = i64::try_from(self.connections * ends).ok()?;
        let foreign = (sockets(now)? - sockets(zero)?).abs_diff(own);
        // Processors keep some free objects at hand, which count as in use.
        (foreign > 1_000 + self.connections / 50).then_some(foreign)
    }

    /// Bytes that connections in `TIME_WAIT` take more; fewer when earlier ones have ended meanwhile.
    pub(crate) fn time_wait(&self) -> Option<i64> {
        let (zero, now) = self.slabs()?;
        Some(now.time_wait_bytes().cast_signed() - zero.time_wait_bytes().cast_signed())
    }

    fn slabs(&self) -> Option<(&Slabs, &Slabs)> {
        self.zero.slabs.as_ref().zip(self.now.slabs.as_ref())
    }
}

/// Bytes per connection of one's own in the caches of one side: what a picture shows.
pub(crate) fn server_parts(kernel: &KernelMemory) -> Vec<(String, f64)> {
    let related = kernel.caches.iter().filter(|cache| cache.side != Side::Unrelated);
    related.map(|cache| (cache.name.clone(), cache.server_bytes_per_connection)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::slab::Cache;

    fn reading(user: u64, tcp: u64, filp: u64, memory: (u64, u64, u64), cgroup: u64) -> Memory {
        let cache = |name: &str, objects, bytes| {
            (name.to_owned(), Cache { objects, bytes, names: vec![name.to_owned()] })
        };
        let slabs = Slabs([cache("TCP", tcp, tcp * 2_500), cache("filp", filp, filp * 200)].into());
        let (free, available, reclaimable) = memory;
        let machine = MachineMemory { free, available, reclaimable };
        Memory { user_bytes: user, machine, slabs: Some(slabs), cgroup_bytes: Some(cgroup) }
    }

    #[test]
    fn parts_are_told_apart_and_explain_the_whole() {
        let zero = reading(5_000, 10, 100, (20_000_000, 19_000_000, 1_000), 0);
        // 1,000 connections: 40 bytes each in the server, 10 in the client, 5,400 in slabs of both ends.
        let now = reading(45_000, 2_010, 2_100, (14_550_000, 14_550_000, 1_001_000), 190_000);
        let between = Between { zero: &zero, now: &now, connections: 1_000, ends: Some(Ends::Both) };
        let kernel = between.kernel().unwrap();
        let sum = between.sum(&kernel, 10.0).unwrap();
        assert!((sum.sum - 5_450.0).abs() < 0.1 && (sum.explained - 1.0).abs() < 0.001, "{sum:?}");
        assert!(sum.is_met() && (sum.free_fell - 5_450.0).abs() < 0.1, "{sum:?}");
        let check = between.cgroup(Charges::AllButSockets, &kernel).unwrap();
        assert!((check.slab_bytes_per_connection - 200.0).abs() < 0.1, "{check:?}");
        assert!((check.ratio - 0.95).abs() < 0.001, "{check:?}");
        let check = between.cgroup(Charges::All, &kernel).unwrap();
        assert!((check.slab_bytes_per_connection - 2_700.0).abs() < 0.1, "{check:?}");
        assert_eq!(between.foreign_sockets(), None);
        let alone = Between { ends: Some(Ends::Server), ..between };
        assert!((alone.kernel().unwrap().server_bytes_per_connection - 5_400.0).abs() < 0.1);
        let crowded = Between { connections: 20_000, ..alone };
        assert_eq!(crowded.foreign_sockets(), Some(18_000));
    }
}
