//! `throng-bench floor`: a bare TCP server of throng's shape, without anything that makes it a WebSocket server.

mod worker;

use std::io::BufRead;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use throng::sys::{signals, socket};

use crate::interrupt::Interrupt;
use crate::output::print_line;
use crate::threads::{Spread, Threads};

/// How often the main thread looks at signals.
const LOOK: Duration = Duration::from_millis(50);

/// Accepts connections, registers them with epoll, and waits for their end.
///
/// It ends on SIGTERM, SIGINT or the end of its standard input; the line `stats` there is answered with a line of JSON.
#[derive(Debug, Clone, clap::Args)]
pub struct FloorArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Threads, each with a listener of its own [default: one per core, more only where the descriptor limit demands it].
    #[arg(long, value_name = "W")]
    pub workers: Option<usize>,
    /// Connections to have room for.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000)]
    pub connections: u32,
}

/// The line that tells that every worker listens; that of `throng serve` has the same fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyLine {
    /// Always `true`.
    pub ready: bool,
    /// Where it listens.
    pub listen: Vec<String>,
    /// Where its admin port is; the floor has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// The number of workers.
    pub workers: usize,
    /// Whether each has a descriptor table of its own.
    pub private_tables: bool,
}

/// The answer to `stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorStats {
    /// Connections open now.
    pub open: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
}

/// What the workers and the main thread share: memory only.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    tallies: Vec<Tally>,
}

/// One worker's counts, which only it writes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    open: AtomicU64,
    accepted: AtomicU64,
}

/// Runs the command until it is told to end.
///
/// # Errors
/// What keeps it from serving.
pub fn run(args: &FloorArgs) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let plan = Threads::plan(u64::from(args.connections), args.workers, Spread::Hashed)?;
    let shared = Shared { tallies: (0..plan.count).map(|_| Tally::default()).collect(), ..Shared::default() };
    let shared = Arc::new(shared);
    // It takes the port for the workers to share, and no connections: it never listens.
    let (address, _bound) = take_port(args.listen)?;
    let mut threads = Vec::new();
    let (ready, readies) = mpsc::channel();
    for number in 0..plan.count {
        let (shared, ready) = (Arc::clone(&shared), ready.clone());
        let run = move || worker::run(number, address, plan.private_tables, &shared, &ready);
        threads.push(std::thread::Builder::new().name(format!("floor-{number}")).spawn(run)?);
    }
    drop(ready);
    for _ in 0..plan.count {
        let _: () =
            readies.recv().map_err(|_| anyhow!("no worker came up")).and_then(|listening| listening)?;
    }
    print_line(&ReadyLine {
        ready: true,
        listen: vec![address.to_string()],
        admin: None,
        workers: plan.count,
        private_tables: plan.private_tables,
    })?;
    answer_stats(&shared)?;
    let failed = |threads: &[JoinHandle<_>]| threads.iter().any(JoinHandle::is_finished);
    while !interrupt.is_raised() && !shared.stop.load(Ordering::Relaxed) && !failed(&threads) {
        std::thread::sleep(LOOK);
    }
    shared.stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a worker panicked: a bug"))??;
    }
    Ok(())
}

fn take_port(listen: SocketAddr) -> anyhow::Result<(SocketAddr, std::os::fd::OwnedFd)> {
    let bound = socket::bind_tcp(listen, socket::Sharing::Group)
        .with_context(|| format!("cannot listen on {listen}"))?;
    Ok((socket::local_address(bound.as_fd())?, bound))
}

/// Answers `stats` lines in a thread of its own, which ends the server with its input.
fn answer_stats(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let shared = Arc::clone(shared);
    let answer = move || {
        // Signals are the main thread's business.
        let _ = signals::block_all();
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let sum = |of: fn(&Tally) -> &AtomicU64| {
                shared.tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
            };
            let stats = FloorStats { open: sum(|tally| &tally.open), accepted: sum(|tally| &tally.accepted) };
            if line.trim() != "stats" || print_line(&stats).is_err() {
                break;
            }
        }
        shared.stop.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("stats".to_owned()).spawn(answer)?;
    Ok(())
}
