//! `throng-bench floor-server`: the floor as a server of its own, which a measurement starts.

use std::io::BufRead;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use throng::sys::{signals, socket};

use super::args::FloorServerArgs;
use super::cast;
use super::shared::Shared;
use super::worker::{self, Shape};
use crate::measure::interrupt::Interrupt;
use crate::measure::threads::{Spread, Threads};
use crate::report::json::print_line;
use crate::servers::counts::ReadyLine;

/// How often the main thread looks at signals.
const LOOK: Duration = Duration::from_millis(50);

/// Runs the command until it is told to end.
pub(crate) fn run(args: &FloorServerArgs) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let plan = Threads::plan(u64::from(args.connections), args.workers, Spread::Hashed)?;
    let shared = Arc::new(Shared::new(plan.count).context("cannot make a waker")?);
    // It takes the port for the workers to share, and no connections: it never listens.
    let (address, _bound) = take_port(args.listen)?;
    let shape = Shape {
        address,
        mode: args.mode,
        workers: plan.count,
        private_tables: plan.private_tables,
        start: Instant::now(),
        ping_interval: args.ping_interval,
    };
    let mut threads = Vec::new();
    let (ready, readies) = mpsc::channel();
    for number in 0..plan.count {
        let (shared, ready) = (Arc::clone(&shared), ready.clone());
        let run = move || worker::run(number, shape, &shared, &ready);
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
    obey(&shared)?;
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

/// Does what lines say in a thread of its own, which ends the server with its input, and at a line that says nothing.
fn obey(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let shared = Arc::clone(shared);
    let answer = move || {
        // Signals are the main thread's business.
        let _ = signals::block_all();
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let done = match cast::parse(&line) {
                Some(cast) => shared.cast(cast).is_ok(),
                None => line.trim() == "stats" && print_line(&shared.stats()).is_ok(),
            };
            if !done {
                break;
            }
        }
        shared.stop.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("stats".to_owned()).spawn(answer)?;
    Ok(())
}
