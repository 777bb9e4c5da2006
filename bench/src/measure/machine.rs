//! Memory of the whole machine.

use anyhow::Context;
use procfs::{Current, Meminfo};
use serde::{Deserialize, Serialize};

/// The machine's memory at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineMemory {
    /// What is free or holds pages of files, the free pages that processors keep for themselves included.
    pub(crate) free: u64,
    /// `MemAvailable` of /proc/meminfo: what the kernel thinks it can hand out without swapping.
    pub(crate) available: u64,
    /// What of the slabs is in [`available`](Self::available), since the kernel could drop what it caches in them. The inodes
    /// and dentries of open sockets are counted here, and no shrinker gets them back.
    pub(crate) reclaimable: u64,
}

impl MachineMemory {
    /// Reads /proc/meminfo and /proc/zoneinfo.
    pub(crate) fn read() -> anyhow::Result<Self> {
        const ZONES: &str = "/proc/zoneinfo";
        let memory = Meminfo::current().context("cannot read /proc/meminfo")?;
        let zones = std::fs::read_to_string(ZONES).with_context(|| format!("cannot read {ZONES}"))?;
        // Free pages that processors keep for themselves are up to an eighth of the memory since Linux 6.7, and in no sum of
        // the kernel's own.
        let kept = pages(&zones, "count:") * procfs::page_size();
        let low_watermark = pages(&zones, "low ") * procfs::page_size();
        let reclaimable = memory.k_reclaimable.or(memory.s_reclaimable).unwrap_or(0);
        Ok(Self {
            free: memory.mem_free + memory.cached + memory.buffers + kept,
            available: memory.mem_available.context("/proc/meminfo has no MemAvailable")? + kept,
            reclaimable: available_of(reclaimable, low_watermark),
        })
    }
}

/// The sum of a figure over all zones: `count:` under `pagesets` are pages on the processors' lists, `low` is the watermark.
fn pages(zones: &str, name: &str) -> u64 {
    let counts = zones.lines().filter_map(|line| line.trim().strip_prefix(name));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

/// What `MemAvailable` has of reclaimable memory: all but a half, and at most but the low watermark (`si_mem_available` in
/// mm/show_mem.c).
fn available_of(reclaimable: u64, low_watermark: u64) -> u64 {
    reclaimable - (reclaimable / 2).min(low_watermark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_reclaimable_memory_counts_half() {
        assert_eq!(
            [0, 100, 199, 200, 201, 1_000].map(|all| available_of(all, 100)),
            [0, 50, 100, 100, 101, 900]
        );
    }

    #[test]
    fn pages_kept_by_processors_are_counted() {
        let sample = "Node 0, zone   Normal\n  pages free     5\n        min      1\n        low      12132\n  pagesets\n    cpu: 0\n              count:    1500\n              \
            high:     4000\n    cpu: 1\n              count: 20\n  node_unreclaimable:  0\nNode 0, zone  Movable\n  pages free     0\n";
        assert_eq!((pages(sample, "count:"), pages(sample, "low ")), (1_520, 12_132));
        let memory = MachineMemory::read().unwrap();
        assert!(memory.free > 0 && memory.available > 0 && memory.reclaimable > 0);
    }
}
