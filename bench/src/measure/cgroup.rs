//! A control group of a server's own, which the kernel charges with the memory that it takes on the server's behalf.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// Which kernel memory a group is charged with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Charges {
    /// Version 1's `memory.kmem`: everything but the sockets themselves, since these are made before a server accepts them.
    AllButSockets,
    /// Version 2's `slab`: everything.
    #[default]
    All,
}

/// A control group, removed when dropped; the processes in it must have ended by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
    charges: Charges,
}

impl Cgroup {
    /// Makes a group, in version 2's hierarchy or version 1's.
    pub(crate) fn make(name: &str) -> anyhow::Result<Self> {
        Self::make_in(Path::new(ROOT), name)
    }

    fn make_in(root: &Path, name: &str) -> anyhow::Result<Self> {
        let controllers = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
        let (parent, charges) = if controllers.split_whitespace().any(|controller| controller == "memory") {
            (root.to_owned(), Charges::All)
        } else if root.join("memory/memory.kmem.usage_in_bytes").exists() {
            (root.join("memory"), Charges::AllButSockets)
        } else {
            bail!("no memory controller under {}", root.display());
        };
        let directory = parent.join(name);
        fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { directory, charges })
    }

    /// Which kernel memory it counts.
    pub(crate) const fn charges(&self) -> Charges {
        self.charges
    }

    /// Moves a process into the group. What it was charged with before stays where it was.
    pub(crate) fn add(&self, pid: u32) -> anyhow::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
            .with_context(|| format!("cannot move process {pid} into {}", self.directory.display()))
    }

    /// Bytes of kernel memory that the group is charged with.
    pub(crate) fn kernel_bytes(&self) -> anyhow::Result<u64> {
        let read = |name: &str| {
            let path = self.directory.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        match self.charges {
            Charges::AllButSockets => {
                read("memory.kmem.usage_in_bytes")?.trim().parse().context("memory.kmem has no number")
            }
            Charges::All => slab_bytes(&read("memory.stat")?),
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group whose last process has just died may be busy for a moment.
        for _ in 0..20 {
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => sleep(Duration::from_millis(50)),
                _ => return,
            }
        }
    }
}

fn slab_bytes(stat: &str) -> anyhow::Result<u64> {
    let bytes = stat.lines().find_map(|line| line.strip_prefix("slab "));
    let bytes = bytes.context("memory.stat has no line for slab")?.trim();
    ensure!(!bytes.is_empty(), "memory.stat has no bytes for slab");
    bytes.parse().context("memory.stat has no number for slab")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("throng-cgroup-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        root
    }

    #[test]
    fn version_2_counts_all_slabs() {
        let root = root("v2");
        fs::write(root.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        let group = Cgroup::make_in(&root, "server").unwrap();
        fs::write(root.join("server/memory.stat"), "anon 1\nslab_unreclaimable 5\nslab 4096\n").unwrap();
        assert_eq!((group.charges(), group.kernel_bytes().unwrap()), (Charges::All, 4096));
        assert!(Cgroup::make_in(&root, "server").is_err());
        group.add(7).unwrap();
        assert_eq!(fs::read_to_string(root.join("server/cgroup.procs")).unwrap(), "7");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn version_1_counts_all_but_sockets() {
        let root = root("v1");
        fs::create_dir_all(root.join("memory")).unwrap();
        assert!(Cgroup::make_in(&root, "server").is_err());
        fs::write(root.join("memory/memory.kmem.usage_in_bytes"), "0\n").unwrap();
        let group = Cgroup::make_in(&root, "server").unwrap();
        fs::write(root.join("memory/server/memory.kmem.usage_in_bytes"), "8192\n").unwrap();
        assert_eq!((group.charges(), group.kernel_bytes().unwrap()), (Charges::AllButSockets, 8192));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_form_that_is_not_known_is_refused() {
        assert!(slab_bytes("anon 5\n").is_err());
        assert!(slab_bytes("slab many\n").is_err());
        assert_eq!(slab_bytes("slab_reclaimable 1\nslab 3\n").unwrap(), 3);
    }
}
