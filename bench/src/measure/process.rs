//! Memory and processor time of a process.

use anyhow::Context;
use procfs::process::{Process, Status};
use procfs::{CpuTime, CurrentSI, KernelStats};

/// Bytes of user memory that are the process's own: `RssAnon + RssShmem + HugetlbPages + VmSwap` of /proc/PID/status.
/// Program text and other pages of files are shared and can be dropped, so they do not count.
pub(crate) fn user_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = open(pid)?.status().with_context(|| format!("cannot read /proc/{pid}/status"))?;
    Ok(own_kib(&status) * 1024)
}

/// The same of several processes together.
pub(crate) fn user_bytes_of(pids: &[u32]) -> anyhow::Result<u64> {
    pids.iter().map(|&pid| user_bytes(pid)).sum()
}

fn own_kib(status: &Status) -> u64 {
    let kib = [status.rssanon, status.rssshmem, status.hugetlbpages, status.vmswap];
    kib.into_iter().flatten().sum()
}

/// Processor time in nanoseconds that all threads have taken, /proc/PID/task/*/schedstat. Threads that have ended are not
/// in it.
pub(crate) fn cpu_nanos(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in open(pid)?.tasks().with_context(|| format!("cannot list the threads of process {pid}"))? {
        let task = task.with_context(|| format!("cannot list the threads of process {pid}"))?;
        match task.schedstat() {
            Ok(schedstat) => sum += schedstat.sum_exec_runtime,
            Err(procfs::ProcError::NotFound(_)) => {} // It ended after it was listed.
            Err(error) => return Err(error).context("cannot read a thread's schedstat"),
        }
    }
    Ok(sum)
}

/// Processor time in nanoseconds that the whole machine has spent on anything, /proc/stat; exact to a tick per processor.
pub(crate) fn machine_cpu_nanos() -> anyhow::Result<u64> {
    let CpuTime { user, nice, system, irq, softirq, .. } =
        KernelStats::current().context("cannot read /proc/stat")?.total;
    let ticks = user + nice + system + irq.unwrap_or(0) + softirq.unwrap_or(0);
    Ok(ticks * 1_000_000_000 / procfs::ticks_per_second().max(1))
}

fn open(pid: u32) -> anyhow::Result<Process> {
    let pid = i32::try_from(pid).context("a process number beyond 2^31")?;
    Process::new(pid).with_context(|| format!("process {pid} is gone"))
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    #[test]
    fn own_memory_is_the_sum_of_its_kinds() {
        let sample = "Name:\tthrong\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\n\
            TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t\nNStgid:\t1\nNSpid:\t1\n\
            NSpgid:\t1\nNSsid:\t1\nVmPeak:\t99 kB\nVmSize:\t99 kB\nVmRSS:\t1111 kB\nRssAnon:\t1000 kB\n\
            RssFile:\t100 kB\nRssShmem:\t11 kB\nVmSwap:\t7 kB\nHugetlbPages:\t2048 kB\nThreads:\t1\nSigQ:\t0/1\n\
            SigPnd:\t0\nShdPnd:\t0\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\n";
        let status = Status::from_read(sample.as_bytes()).unwrap();
        assert_eq!(own_kib(&status), 1000 + 11 + 7 + 2048);
    }

    #[test]
    fn the_machine_has_run() {
        assert!(machine_cpu_nanos().unwrap() > 0);
    }

    #[test]
    fn this_process_has_memory_and_has_run() {
        assert!(user_bytes(std::process::id()).unwrap() > 0);
        assert!(cpu_nanos(std::process::id()).unwrap() > 0);
        assert!(user_bytes(u32::MAX).is_err());
    }
}
