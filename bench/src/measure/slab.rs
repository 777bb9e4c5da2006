//! Kernel memory by slab cache, /proc/slabinfo.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};

/// A slab cache, or several that the kernel merged because their objects are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cache {
    /// Objects in use.
    pub(crate) objects: u64,
    /// Memory it takes, waste included: its slabs' pages.
    pub(crate) bytes: u64,
    /// All names it goes by; /proc/slabinfo shows only one of them.
    pub(crate) names: Vec<String>,
}

/// All slab caches, by the name in /proc/slabinfo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slabs(pub(crate) BTreeMap<String, Cache>);

impl Slabs {
    /// Reads /proc/slabinfo, and from /sys/kernel/slab which caches are merged.
    pub(crate) fn read() -> anyhow::Result<Self> {
        const PATH: &str = "/proc/slabinfo";
        let text =
            std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}: that takes root"))?;
        // Without it every cache goes by one name, as on kernels that do not merge.
        let merged = merged_names(Path::new("/sys/kernel/slab")).unwrap_or_default();
        Self::parse(&text, procfs::page_size(), &merged)
    }

    fn parse(text: &str, page_size: u64, merged: &HashMap<String, Vec<String>>) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default();
        ensure!(version.starts_with("slabinfo - version: 2"), "slabinfo has an unknown form: `{version}`");
        let mut caches = BTreeMap::new();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let (name, mut cache) = parse_line(line, page_size)
                .ok_or_else(|| anyhow!("slabinfo has an unknown line: `{line}`"))?;
            cache.names = merged.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()]);
            caches.insert(name.to_owned(), cache);
        }
        Ok(Self(caches))
    }

    /// Bytes of connections in `TIME_WAIT`, which stay for a minute after whoever closed first.
    pub(crate) fn time_wait_bytes(&self) -> u64 {
        let caches = self.0.iter().filter(|(name, _)| name.starts_with("tw_sock_"));
        caches.map(|(_, cache)| cache.bytes).sum()
    }

    /// Bytes in all caches.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().map(|cache| cache.bytes).sum()
    }
}

/// `name active_objs num_objs objsize objperslab pagesperslab : tunables . . . : slabdata active_slabs num_slabs sharedavail`
fn parse_line(line: &str, page_size: u64) -> Option<(&str, Cache)> {
    let mut parts = line.split(" : ");
    let mut objects = parts.next()?.split_whitespace();
    let name = objects.next()?;
    let numbers: Vec<u64> = objects.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [active, _, _, _, pages_per_slab] = numbers[..] else { return None };
    let mut slabs = parts.last()?.split_whitespace();
    let ("slabdata", Some(_), Some(slabs)) = (slabs.next()?, slabs.next(), slabs.next()) else { return None };
    let slabs: u64 = slabs.parse().ok()?;
    Some((name, Cache { objects: active, bytes: slabs * pages_per_slab * page_size, names: Vec::new() }))
}

/// The names of merged caches, each under each of its names: in sysfs they are links to one directory.
fn merged_names(directory: &Path) -> std::io::Result<HashMap<String, Vec<String>>> {
    let mut by_target: HashMap<_, Vec<String>> = HashMap::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Ok(target) = std::fs::read_link(entry.path()) {
            by_target.entry(target).or_default().push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let mut by_name = HashMap::new();
    for mut names in by_target.into_values() {
        names.sort_unstable();
        for name in &names {
            by_name.insert(name.clone(), names.clone());
        }
    }
    Ok(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                   26     26   2368   13    8 : tunables    0    0    0 : slabdata      2      2      0
eventpoll_epi        320    352    128   32    1 : tunables    0    0    0 : slabdata     10     11      0
";

    #[test]
    fn memory_is_counted_in_slabs_and_use_in_objects() {
        let names = vec!["eventpoll_epi".to_owned(), "tcp_bind_bucket".to_owned()];
        let merged = HashMap::from([("eventpoll_epi".to_owned(), names.clone())]);
        let slabs = Slabs::parse(SAMPLE, 4096, &merged).unwrap();
        let tcp = Cache { objects: 26, bytes: 2 * 8 * 4096, names: vec!["TCP".to_owned()] };
        assert_eq!(slabs.0["TCP"], tcp);
        assert_eq!(slabs.0["eventpoll_epi"], Cache { objects: 320, bytes: 11 * 4096, names });
        assert_eq!(slabs.bytes(), 27 * 4096);
    }

    #[test]
    fn an_unknown_form_is_refused() {
        for text in ["", "slabinfo - version: 3.0\n", "slabinfo - version: 2.1\nTCP 26 26\n"] {
            assert!(Slabs::parse(text, 4096, &HashMap::new()).is_err(), "{text}");
        }
    }
}
