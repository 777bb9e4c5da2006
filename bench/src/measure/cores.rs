//! Which core a server runs on, and which its clients.

use anyhow::{Context, ensure};
use core_affinity::CoreId;
use procfs::process::Process;

/// A core for servers, and another one for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    server: CoreId,
    client: CoreId,
}

impl Cores {
    /// Takes two of the cores that this program may use, and keeps the calling thread, and those that it starts from now on, to the
    /// client's. The main thread does this before it starts any other.
    pub(crate) fn take(server: usize, client: usize) -> anyhow::Result<Self> {
        let usable = core_affinity::get_core_ids().context("cannot tell which cores this program may use")?;
        ensure!(
            usable.len() > 1,
            "there is one core to use: a server and its client would take turns on it, and neither would be measured"
        );
        ensure!(
            server != client,
            "--server-core and --client-core are both {server}: give each a core of its own"
        );
        let find = |number: usize, option: &str| {
            let listed: Vec<String> = usable.iter().map(|core| core.id.to_string()).collect();
            let found = usable.iter().find(|core| core.id == number).copied();
            found.with_context(|| format!("{option} {number} is none of the cores {}", listed.join(", ")))
        };
        let cores = Self { server: find(server, "--server-core")?, client: find(client, "--client-core")? };
        enter(cores.client)?;
        Ok(cores)
    }

    /// Does something on the server's core: a process that is started there stays there.
    pub(crate) fn on_server<T>(self, doing: impl FnOnce() -> T) -> anyhow::Result<T> {
        enter(self.server)?;
        let done = doing();
        enter(self.client)?;
        Ok(done)
    }

    /// Makes sure that all threads of a server's process may run on the server's core and on no other.
    pub(crate) fn check(self, pid: u32) -> anyhow::Result<()> {
        let core = u32::try_from(self.server.id).context("a core's number beyond 2^32")?;
        let process = Process::new(i32::try_from(pid).context("a process number beyond 2^31")?)?;
        for task in process.tasks()? {
            // A thread that ends meanwhile runs nowhere.
            let Ok(status) = task.and_then(|task| task.status()) else { continue };
            let Some(allowed) = status.cpus_allowed_list else { continue };
            ensure!(
                allowed == [(core, core)],
                "its thread {} has left core {core}: it may run on {allowed:?}",
                status.name
            );
        }
        Ok(())
    }
}

fn enter(core: CoreId) -> anyhow::Result<()> {
    ensure!(core_affinity::set_for_current(core), "the kernel refuses core {}", core.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_server_stays_on_its_core_and_the_client_on_the_other() {
        let usable = core_affinity::get_core_ids().unwrap();
        let [server, client, ..] = usable[..] else { return };
        // A thread of its own: others of this program are not to be moved.
        let check = move || {
            let cores = Cores::take(server.id, client.id).unwrap();
            let start = || Command::new("sleep").arg("60").spawn().unwrap();
            let mut there = cores.on_server(start).unwrap();
            let mut here = start();
            assert!(cores.check(there.id()).is_ok());
            let error = cores.check(here.id()).unwrap_err().to_string();
            assert!(error.contains("has left core"), "{error}");
            for child in [&mut there, &mut here] {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            assert_eq!(core_affinity::get_core_ids().unwrap(), [client]);
            let error = Cores::take(client.id, server.id).unwrap_err().to_string();
            assert!(error.contains("one core"), "{error}");
        };
        std::thread::spawn(check).join().unwrap();
    }

    #[test]
    fn cores_that_are_none_are_told() {
        let usable = core_affinity::get_core_ids().unwrap();
        if usable.len() > 1 {
            let error = Cores::take(usable[0].id, usable[0].id).unwrap_err().to_string();
            assert!(error.contains("a core of its own"), "{error}");
            let error = Cores::take(usize::MAX, usable[0].id).unwrap_err().to_string();
            assert!(error.contains("--server-core") && error.contains("none of the cores"), "{error}");
        }
    }
}
