//! A server's memory, looked at while messages are fanned out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use throng::sys::signals;

use super::process::user_bytes_of;
use super::slab::Slabs;
use super::sockets::TcpSockets;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Every so many looks the slab caches are read too, which takes longer.
const SLABS: u32 = 10;

/// Memory at one moment, or the most of each over some time. What cannot be read is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) user_bytes: Option<u64>,
    /// All slab caches of the machine in bytes: sockets and what they have queued, at both ends.
    pub(crate) slab_bytes: Option<u64>,
    pub(crate) buffer_bytes: u64,
}

/// A thread that looks.
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Memory>>,
}

impl Sampler {
    /// Begins to look at processes, none of them for the machine alone.
    pub(crate) fn start(pids: &[u32]) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (pids, told) = (pids.to_vec(), Arc::clone(&stop));
        let watch = move || {
            signals::block_all().context("cannot block signals")?;
            let mut peak = look(&pids, true)?;
            for number in 1_u32.. {
                std::thread::sleep(LOOK);
                let is_last = told.load(Ordering::Relaxed);
                peak.raise(&look(&pids, is_last || number.is_multiple_of(SLABS))?);
                if is_last {
                    break;
                }
            }
            Ok(peak)
        };
        let thread = std::thread::Builder::new().name("memory".to_owned()).spawn(watch);
        Ok(Self { stop, thread: thread.context("cannot start a thread")? })
    }

    /// The most that was seen of each.
    pub(crate) fn finish(self) -> anyhow::Result<Memory> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that looks at memory panicked: a bug"))?
    }
}

/// Memory as it is now.
pub(crate) fn look(pids: &[u32], with_slabs: bool) -> anyhow::Result<Memory> {
    let user = if pids.is_empty() { None } else { Some(user_bytes_of(pids)?) };
    let slabs = if with_slabs { Slabs::read().ok().map(|slabs| slabs.bytes()) } else { None };
    Ok(Memory { user_bytes: user, slab_bytes: slabs, buffer_bytes: TcpSockets::read()?.buffer_bytes })
}

impl Memory {
    /// Takes over what is more.
    pub(super) fn raise(&mut self, other: &Self) {
        self.user_bytes = self.user_bytes.max(other.user_bytes);
        self.slab_bytes = self.slab_bytes.max(other.slab_bytes);
        self.buffer_bytes = self.buffer_bytes.max(other.buffer_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_seen_though_it_has_gone() {
        let pids = [std::process::id()];
        let before = look(&pids, false).unwrap();
        let sampler = Sampler::start(&pids).unwrap();
        let block = vec![1_u8; 64 << 20];
        std::thread::sleep(LOOK * 4);
        assert!(block.iter().all(|&byte| byte == 1));
        drop(block);
        let peak = sampler.finish().unwrap();
        assert!(peak.user_bytes.unwrap() >= before.user_bytes.unwrap() + (48 << 20), "{before:?} {peak:?}");
        assert_eq!(look(&[], false).unwrap().user_bytes, None);
    }
}
