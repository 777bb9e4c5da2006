//! A server's user memory, read once it has come to rest.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::process::user_bytes_of;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes by which memory at rest may still go up and down: two pages, less than a byte of each of ten thousand connections.
const AT_REST: u64 = 8 * 1024;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) bytes: u64,
    /// Whether it had come to rest.
    pub(crate) is_settled: bool,
}

/// Reads the user memory of processes once it has been at rest for `settle`, in which servers trim their pools and allocators
/// give back: the median of that time's looks. After `within` what is still moving is read all the same.
pub(crate) fn settled(
    pids: &[u32],
    settle: Duration,
    within: Duration,
    mut pause: impl FnMut(Duration) -> anyhow::Result<()>,
) -> anyhow::Result<Memory> {
    let start = Instant::now();
    let mut looks: VecDeque<(Instant, u64)> = VecDeque::new();
    loop {
        let now = Instant::now();
        looks.push_back((now, user(pids)?));
        let waited = now - start;
        if waited >= settle {
            // One from before that time is kept: however late the looks come, there are two of them with all of it between.
            while looks.get(1).is_some_and(|&(then, _)| now - then >= settle) {
                looks.pop_front();
            }
            let mut bytes: Vec<u64> = looks.iter().map(|&(_, bytes)| bytes).collect();
            bytes.sort_unstable();
            let is_settled = bytes[bytes.len() - 1] - bytes[0] <= AT_REST;
            if is_settled || waited >= within {
                return Ok(Memory { bytes: bytes[bytes.len() / 2], is_settled });
            }
        }
        pause(LOOK)?;
    }
}

/// The user memory of processes together, as it is now.
pub(crate) fn user(pids: &[u32]) -> anyhow::Result<u64> {
    user_bytes_of(pids).context("give --pid a process of this machine that you may look at")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    fn sleep(_: Duration) -> anyhow::Result<()> {
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    }

    #[test]
    fn what_is_at_rest_is_read_after_its_time() {
        let start = Instant::now();
        // A process that only sleeps.
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::thread::sleep(MOMENT);
        let memory = settled(&[child.id()], MOMENT, MOMENT * 100, sleep).unwrap();
        assert!(memory.is_settled && memory.bytes > 0 && start.elapsed() >= MOMENT, "{memory:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(settled(&[child.id()], MOMENT, MOMENT, sleep).is_err(), "it is gone");
    }

    #[test]
    fn what_keeps_moving_is_read_in_the_end_and_told() {
        // Looks that come late, too, see that it has moved since the one before.
        for pause in [MOMENT / 10, 2 * MOMENT] {
            let mut blocks = Vec::new();
            let memory = settled(&[std::process::id()], MOMENT, MOMENT * 4, |_| {
                blocks.push(vec![1_u8; 1 << 20]);
                std::thread::sleep(pause);
                Ok(())
            });
            let memory = memory.unwrap();
            assert!(!memory.is_settled, "{memory:?} after {} MiB", blocks.len());
        }
    }
}
