//! Memory of the whole machine.

use anyhow::Context;
use procfs::{Current, Meminfo};

/// Bytes that are free or hold pages of files.
///
/// It is not `MemAvailable`, which takes dentries and the inodes of sockets for reclaimable though no open socket lets go of
/// them, and leaves out the free pages that processors keep for themselves: since Linux 6.7 up to an eighth of the memory.
///
/// # Errors
/// When /proc cannot be read.
pub fn free_bytes() -> anyhow::Result<u64> {
    let memory = Meminfo::current().context("cannot read /proc/meminfo")?;
    const PATH: &str = "/proc/zoneinfo";
    let zones = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    Ok(memory.mem_free + memory.cached + memory.buffers + kept_pages(&zones) * procfs::page_size())
}

/// Pages on the processors' lists: the sum of `count:` under `pagesets` of each zone.
fn kept_pages(zones: &str) -> u64 {
    let counts = zones.lines().filter_map(|line| line.trim().strip_prefix("count:"));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_kept_by_processors_are_counted() {
        let sample = "Node 0, zone   Normal\n  pages free     5\n  pagesets\n    cpu: 0\n              count:    1500\n              \
            high:     4000\n    cpu: 1\n              count: 20\n  node_unreclaimable:  0\nNode 0, zone  Movable\n  pages free     0\n";
        assert_eq!(kept_pages(sample), 1_520);
        assert!(free_bytes().unwrap() > 0);
    }
}
