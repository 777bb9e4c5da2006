//! `throng-bench floor-server`: the floor as a server of its own, which a measurement starts.

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hdrhistogram::Histogram;
use throng::sys::eventfd::EventFd;
use throng::sys::{signals, socket};

use super::cast::{self, Cast};
use super::worker::{self, Shape};
use crate::args::duration;
use crate::measure::interrupt::Interrupt;
use crate::measure::threads::{Spread, Threads};
use crate::report::json::print_line;
use crate::servers::counts::{FloorStats, ReadyLine};

/// How often the main thread looks at signals.
const LOOK: Duration = Duration::from_millis(50);

/// What the floor does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Accepts it, registers it with epoll, and throws away what it sends.
    Accept,
    /// Answers the first bytes with an upgrade response written in advance, then sends Pings and throws away what comes.
    Ping,
    /// Sends back what it sends.
    Echo,
    /// Answers the first bytes with an upgrade response written in advance, and sends the messages that follow back, unmasked: the
    /// frames of one read in one piece.
    Frames,
    /// Answers the first bytes with an upgrade response written in advance, and sends it what a `send` line says is published to
    /// its topic: the number at the end of its request's path, 0 without one.
    Broadcast,
}

/// Serves without WebSocket code: the system calls of a server of throng's shape, and as little as possible around them.
///
/// It ends on SIGTERM, SIGINT or the end of its standard input; the line `stats` there is answered with a line of JSON. With --mode
/// broadcast the line `send TOPIC MESSAGE...`, all of it told apart by tabs, has every connection of the topic get these messages.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FloorServerArgs {
    /// What to do with a connection.
    #[arg(long, value_enum, default_value = "accept")]
    pub(crate) mode: Mode,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Threads, each with a listener of its own [default: one per core, more only where the descriptor limit demands it].
    #[arg(long, value_name = "W")]
    pub(crate) workers: Option<usize>,
    /// Connections to have room for.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000)]
    pub(crate) connections: u32,
    /// Time between two Pings to a connection, with --mode ping: 200 ms to 1 hour.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = ping_interval)]
    pub(crate) ping_interval: Duration,
}

/// What the workers and the main thread share: memory only.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stop: AtomicBool,
    pub(super) tallies: Vec<Tally>,
    /// What is to be sent, a list for each worker.
    mail: Vec<Mutex<Vec<Arc<Cast>>>>,
    /// What wakes the workers. They were made before the workers' descriptor tables, so that their numbers are the same there.
    wakers: Vec<EventFd>,
}

/// One worker's counts, which only it writes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) open: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) pings_sent: AtomicU64,
    pub(super) pongs_received: AtomicU64,
    round_trips: Mutex<Histogram<u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            pings_sent: AtomicU64::new(0),
            pongs_received: AtomicU64::new(0),
            round_trips: Mutex::new(worker::round_trips()),
        }
    }
}

impl Tally {
    /// A panic elsewhere does not make counts wrong.
    pub(super) fn round_trips(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.round_trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(workers: usize) -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            tallies: (0..workers).map(|_| Tally::default()).collect(),
            mail: (0..workers).map(|_| Mutex::default()).collect(),
            wakers: (0..workers).map(|_| EventFd::new()).collect::<io::Result<_>>()?,
        })
    }

    /// What has come for a worker to send.
    pub(super) fn take_mail(&self, worker: usize) -> Vec<Arc<Cast>> {
        std::mem::take(&mut *self.mail[worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The descriptor that wakes a worker: the same number in every table.
    pub(super) fn waker(&self, worker: usize) -> BorrowedFd<'_> {
        self.wakers[worker].as_fd()
    }

    fn cast(&self, cast: Cast) -> io::Result<()> {
        let cast = Arc::new(cast);
        for (mail, waker) in self.mail.iter().zip(&self.wakers) {
            mail.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cast));
            waker.signal()?;
        }
        Ok(())
    }

    fn stats(&self) -> FloorStats {
        let sum = |of: fn(&Tally) -> &AtomicU64| {
            self.tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
        };
        let mut round_trips = worker::round_trips();
        for tally in &self.tallies {
            // Both have the same bounds, so that adding cannot fail.
            let _ = round_trips.add(&*tally.round_trips());
        }
        FloorStats {
            open: sum(|tally| &tally.open),
            accepted: sum(|tally| &tally.accepted),
            pings_sent: sum(|tally| &tally.pings_sent),
            pongs_received: sum(|tally| &tally.pongs_received),
            ping_rtt_us: round_trips
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
        }
    }
}

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

fn ping_interval(text: &str) -> anyhow::Result<Duration> {
    let interval = duration(text)?;
    let bounds = worker::TICK * 2..=Duration::from_secs(3600);
    anyhow::ensure!(bounds.contains(&interval), "an interval between Pings is 200ms to 1h");
    Ok(interval)
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
