//! Memory of the whole machine.

use anyhow::Context;
use procfs::{Current, Meminfo};

/// Bytes that programs could still have: `MemAvailable` of /proc/meminfo, and the free pages that processors keep for
/// themselves, which Linux leaves out of it. Since 6.7 those can be an eighth of the memory after much of it was freed.
///
/// # Errors
/// When /proc cannot be read.
pub fn available_bytes() -> anyhow::Result<u64> {
    let memory = Meminfo::current().context("cannot read /proc/meminfo")?;
    const PATH: &str = "/proc/zoneinfo";
    let zones = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    Ok(memory.mem_available.unwrap_or(memory.mem_free) + kept_pages(&zones) * procfs::page_size())
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
        assert!(available_bytes().unwrap() > 0);
    }
}
