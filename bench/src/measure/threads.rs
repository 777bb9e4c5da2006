//! How many threads a number of sockets takes, and whether each needs a descriptor table of its own.

use anyhow::{Context, ensure};
use throng::sys::fdtable;

/// Descriptors a table holds besides connections: standard streams, epoll, a listener, and room for surprises.
const SPARE: u64 = 64;
/// Descriptors that a thread has of its own: epoll, a waker, a listener, a timer. In a shared table those of all of them count; in a table
/// of its own the spare ones have room for them.
const OWN: u64 = 4;
/// Standard deviations that a worker's share may lie above the mean where the kernel spreads connections by hash.
const SIGMAS: f64 = 6.0;
/// More threads than this would only fight for the cores.
const MOST_THREADS: u64 = 1024;

/// How connections reach the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Dealt out evenly: the client's side.
    Even,
    /// By the hash of `SO_REUSEPORT`: the server's side, where some get more than others.
    Hashed,
}

/// The threads to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threads {
    /// Their number.
    pub(crate) count: usize,
    /// Whether each has a descriptor table of its own.
    pub(crate) private_tables: bool,
}

impl Threads {
    /// Plans threads for `connections`: `wanted` of them, else one per core, and more only where the descriptor limit
    /// demands it. Raises the soft limit of descriptors to the hard one.
    pub(crate) fn plan(connections: u64, wanted: Option<usize>, spread: Spread) -> anyhow::Result<Self> {
        let limit = fdtable::raise_limit().context("cannot raise the limit of descriptors")?;
        let cores = std::thread::available_parallelism().context("cannot tell the number of cores")?.get();
        Self::plan_within(connections, wanted, spread, limit, cores)
    }

    fn plan_within(
        connections: u64,
        wanted: Option<usize>,
        spread: Spread,
        limit: u64,
        cores: usize,
    ) -> anyhow::Result<Self> {
        let count = wanted.unwrap_or(cores).max(1);
        if connections + SPARE + OWN * count as u64 <= limit {
            return Ok(Self { count, private_tables: false });
        }
        let fits = |threads: u64| share(connections, threads, spread) + SPARE <= limit;
        let needed = (1..=MOST_THREADS).find(|&threads| fits(threads)).with_context(|| {
            format!("{connections} connections need over {MOST_THREADS} threads under a limit of {limit} descriptors: raise RLIMIT_NOFILE")
        })?;
        let count = wanted.unwrap_or_else(|| cores.max(usize::try_from(needed).unwrap_or(usize::MAX)));
        ensure!(
            fits(count as u64),
            "{count} threads cannot hold {connections} connections under a limit of {limit} descriptors each: \
             {needed} can, or raise RLIMIT_NOFILE"
        );
        Ok(Self { count, private_tables: true })
    }
}

/// The most connections that one of `threads` has to expect.
fn share(connections: u64, threads: u64, spread: Spread) -> u64 {
    let mean = connections.div_ceil(threads);
    match spread {
        Spread::Even => mean,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate of a small positive number"
        )]
        Spread::Hashed => mean + (SIGMAS * (mean as f64).sqrt()).ceil() as u64,
    }
}

/// How many of `all` the part with this number has when they are dealt out: parts differ by one at most, and the first have more.
pub(crate) const fn dealt(all: usize, parts: usize, part: usize) -> usize {
    all / parts + (part < all % parts) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(connections: u64, wanted: Option<usize>, spread: Spread) -> anyhow::Result<(usize, bool)> {
        Threads::plan_within(connections, wanted, spread, 20_000, 2)
            .map(|plan| (plan.count, plan.private_tables))
    }

    #[test]
    fn one_per_core_until_the_limit_demands_more() {
        assert_eq!(plan(10_000, None, Spread::Even).unwrap(), (2, false));
        assert_eq!(plan(10_000, Some(5), Spread::Even).unwrap(), (5, false));
        assert_eq!(plan(30_000, None, Spread::Even).unwrap(), (2, true));
        assert_eq!(plan(1_000_000, None, Spread::Even).unwrap(), (51, true));
        assert_eq!(plan(1_000_000, None, Spread::Hashed).unwrap(), (53, true));
    }

    #[test]
    fn the_descriptors_of_all_threads_count_in_a_shared_table() {
        for threads in [1, 2, 100] {
            let room = 20_000 - SPARE - OWN * threads as u64;
            assert_eq!(plan(room, Some(threads), Spread::Even).unwrap(), (threads, false));
            let more = plan(room + 1, Some(threads), Spread::Even);
            assert_eq!(more.unwrap(), (threads, true));
        }
        let many = Threads::plan_within(900, Some(200), Spread::Even, 1_024, 2).unwrap();
        assert!(many.private_tables, "200 threads have 800 descriptors of their own");
    }

    #[test]
    fn too_few_threads_are_refused_with_the_number_that_suffices() {
        let error = plan(1_000_000, Some(50), Spread::Even).unwrap_err();
        assert!(error.to_string().contains("51 can"), "{error}");
        assert!(plan(100_000_000, None, Spread::Even).is_err());
    }
}
