//! Any server of this machine, by its process: what connections and messages cost it.

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::kernel::{Ends, KernelMemory};
use super::process::{cpu_nanos, user_bytes_of};
use super::slab::Slabs;

/// With fewer connections what others do meanwhile hides what slab caches grow by.
const LEAST_CONNECTIONS: u64 = 1_000;

/// Which processes are watched.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WatchArgs {
    /// Process of the server, where it runs on this machine: its memory and processor time are reported. Repeat it for several.
    #[arg(long = "pid", value_name = "PID")]
    pub(crate) pids: Vec<u32>,
}

/// What a server's processes took. What was not measured is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerCosts {
    pub(crate) user_bytes_without: u64,
    pub(crate) user_bytes_with: u64,
    pub(crate) user_bytes_per_connection: Option<f64>,
    pub(crate) kernel: Option<KernelMemory>,
    pub(crate) cpu_us_per_handshake: Option<f64>,
    pub(crate) cpu_cores_held: Option<f64>,
    pub(crate) cpu_us_per_ping: Option<f64>,
    pub(crate) cpu_us_per_echo: Option<f64>,
}

/// One look at a server's processes.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) cpu_nanos: u64,
    user_bytes: u64,
    slabs: Option<Slabs>,
}

/// Processes that are watched, from before the first connection on.
#[derive(Debug)]
pub(crate) struct Watch {
    pids: Vec<u32>,
    zero: Look,
    pub(crate) costs: ServerCosts,
}

impl Watch {
    /// Begins to watch, if there is a process.
    pub(crate) fn start(args: &WatchArgs) -> anyhow::Result<Option<Self>> {
        if args.pids.is_empty() {
            return Ok(None);
        }
        let zero = look(&args.pids).context("give --pid a process of this machine that you may look at")?;
        let costs = ServerCosts { user_bytes_without: zero.user_bytes, ..ServerCosts::default() };
        Ok(Some(Self { pids: args.pids.clone(), zero, costs }))
    }

    /// Processor time in nanoseconds since the watch began.
    pub(crate) fn cpu_nanos(&self) -> anyhow::Result<u64> {
        Ok(cpu(&self.pids)?.saturating_sub(self.zero.cpu_nanos))
    }

    /// Notes memory with so many connections open.
    pub(crate) fn note_memory(&mut self, connections: u64) -> anyhow::Result<()> {
        let now = look(&self.pids)?;
        let slabs = self.zero.slabs.as_ref().zip(now.slabs.as_ref());
        self.costs.user_bytes_with = now.user_bytes;
        self.costs.user_bytes_per_connection =
            each(now.user_bytes as f64 - self.zero.user_bytes as f64, connections);
        self.costs.kernel = slabs
            .filter(|_| connections >= LEAST_CONNECTIONS)
            .map(|(zero, now)| KernelMemory::between(zero, now, connections, Ends::Both));
        Ok(())
    }
}

/// Microseconds for each of so many.
pub(crate) fn micros_each(nanos: u64, count: u64) -> Option<f64> {
    each(nanos as f64 / 1e3, count)
}

fn each(value: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| value / count as f64)
}

fn look(pids: &[u32]) -> anyhow::Result<Look> {
    Ok(Look { cpu_nanos: cpu(pids)?, user_bytes: user_bytes_of(pids)?, slabs: Slabs::read().ok() })
}

fn cpu(pids: &[u32]) -> anyhow::Result<u64> {
    pids.iter().map(|&pid| cpu_nanos(pid)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_watched_from_before_the_first_connection() {
        let args = WatchArgs { pids: vec![std::process::id()] };
        let mut watch = Watch::start(&args).unwrap().unwrap();
        let taken = vec![1_u8; 64 << 20];
        watch.note_memory(1024).unwrap();
        assert!(taken.iter().all(|&byte| byte == 1));
        let each = watch.costs.user_bytes_per_connection.unwrap();
        assert!((60_000.0..70_000.0).contains(&each), "{each}");
        assert!(watch.cpu_nanos().unwrap() > 0);
    }

    #[test]
    fn nobody_is_watched_without_a_process_and_a_wrong_one_is_told() {
        assert!(Watch::start(&WatchArgs { pids: vec![] }).unwrap().is_none());
        let error = Watch::start(&WatchArgs { pids: vec![u32::MAX] }).unwrap_err();
        assert!(format!("{error:#}").contains("--pid"), "{error:#}");
    }
}
