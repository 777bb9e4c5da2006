//! One worker of the floor: a listener, an epoll and as little as possible around them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use throng::sys::socket::{self, Sharing};
use throng::sys::{fdtable, signals};

use super::args::{Mode, TICK};
use super::cast::{self, Cast, Subscribers};
use super::messages::{Messages, Told};
use super::replies::ping;
use super::schedule::Schedule;
use super::shared::{Shared, Tally, round_trips};
use crate::measure::distribution::micros;

/// How often round trips are told.
const HISTOGRAM: Duration = Duration::from_secs(1);
/// Connections accepted in one iteration.
const ACCEPTS: usize = 64;
/// Connections that may wait to be accepted.
const BACKLOG: u16 = 4096;
/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
/// What workers have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) address: SocketAddr,
    pub(super) mode: Mode,
    pub(super) workers: usize,
    pub(super) private_tables: bool,
    pub(super) start: Instant,
    pub(super) ping_interval: Duration,
}

struct Worker {
    shape: Shape,
    poll: Poll,
    listener: OwnedFd,
    /// Connections by descriptor number.
    connections: Vec<Option<OwnedFd>>,
    messages: Messages,
    peers: Peers,
    start: Instant,
    next_tick: Duration,
    next_histogram: Duration,
    open: u64,
    accepted: u64,
    pings_sent: u64,
    /// The listener may hold more than was accepted: its edge has been seen, and `EAGAIN` not.
    more_to_accept: bool,
}

/// What becomes of connections once they have opened.
struct Peers {
    mode: Mode,
    schedule: Schedule,
    subscribers: Subscribers,
    /// What the times of Pings are counted from.
    start: Instant,
    pongs_received: u64,
    round_trips: Histogram<u64>,
}

impl Told for Peers {
    fn opened(&mut self, at: usize, request: &[u8]) {
        match self.mode {
            Mode::Ping => self.schedule.add(at),
            Mode::Broadcast => self.subscribers.add(at, cast::topic(request)),
            Mode::Accept | Mode::Echo | Mode::Frames => {}
        }
    }

    fn ponged(&mut self, sent: u64) {
        self.round_trips.saturating_record(micros(self.start.elapsed()).saturating_sub(sent));
        self.pongs_received += 1;
    }
}

pub(super) fn run(
    number: usize,
    shape: Shape,
    shared: &Shared,
    ready: &Sender<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    // First of all, before anything here owns a descriptor.
    let waker = shared.waker(number);
    let made = signals::block_all().context("cannot block signals").and_then(|()| {
        if shape.private_tables {
            let table = fdtable::make_private(&[waker.as_raw_fd()]);
            table.context("cannot give a worker its own descriptor table")?;
        }
        pin(number);
        Worker::new(number, shape, waker)
    });
    let mut worker = match made {
        Ok(worker) => worker,
        Err(error) => {
            let _ = ready.send(Err(error));
            return Ok(());
        }
    };
    // Nobody listens any more when another worker failed; the process ends then.
    let _ = ready.send(Ok(()));
    let mut events = Events::with_capacity(EVENTS);
    while !shared.stop.load(Ordering::Relaxed) {
        worker.turn(&mut events)?;
        shared.take_mail(number).iter().for_each(|cast| worker.send_all(cast));
        worker.publish(&shared.tallies[number]);
    }
    Ok(())
}

/// Workers go round-robin over the cores that this process may use.
fn pin(number: usize) {
    if let Some(cores) = core_affinity::get_core_ids().filter(|cores| !cores.is_empty()) {
        // A kernel that refuses leaves the worker unpinned, which is slower but not wrong.
        core_affinity::set_for_current(cores[number % cores.len()]);
    }
}

impl Worker {
    fn new(number: usize, shape: Shape, waker: BorrowedFd<'_>) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an epoll")?;
        poll.registry().register(&mut SourceFd(&waker.as_raw_fd()), WAKER, Interest::READABLE)?;
        let apart = TICK.mul_f64(number as f64 / shape.workers as f64);
        let listener = socket::listen_tcp(shape.address, Sharing::Group, BACKLOG)
            .with_context(|| format!("cannot listen on {}", shape.address))?;
        poll.registry().register(&mut SourceFd(&listener.as_raw_fd()), LISTENER, Interest::READABLE)?;
        // A fraction of a tick apart from the others', so that not all workers ping at once. throng does so too.
        let start = shape.start.checked_sub(apart).unwrap_or(shape.start);
        let peers = Peers {
            mode: shape.mode,
            schedule: Schedule::new(shape.ping_interval, TICK, number as u64),
            subscribers: Subscribers::default(),
            start,
            pongs_received: 0,
            round_trips: round_trips(),
        };
        Ok(Self {
            shape,
            poll,
            listener,
            connections: Vec::new(),
            messages: Messages::new(shape.mode),
            peers,
            start,
            next_tick: TICK,
            next_histogram: HISTOGRAM,
            open: 0,
            accepted: 0,
            pings_sent: 0,
            more_to_accept: false,
        })
    }

    fn turn(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let timeout = match self.shape.mode {
            _ if self.more_to_accept => Duration::ZERO,
            // It has no timers, and looking at the clock is work.
            Mode::Frames => TICK,
            _ => self.next_tick.saturating_sub(self.start.elapsed()),
        };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(error).context("cannot wait for events");
            }
            _ => {}
        }
        for event in &*events {
            match event.token() {
                LISTENER => self.more_to_accept = true,
                // That it woke the loop was all.
                WAKER => {}
                Token(at) => self.serve(at, event.is_read_closed() || event.is_error()),
            }
        }
        if self.more_to_accept {
            self.accept_some()?;
        }
        while self.shape.mode != Mode::Frames && self.start.elapsed() >= self.next_tick {
            self.next_tick += TICK;
            self.ping_some();
        }
        Ok(())
    }

    fn accept_some(&mut self) -> anyhow::Result<()> {
        for _ in 0..ACCEPTS {
            let fd = match socket::accept(self.listener.as_fd()) {
                Ok(fd) => fd,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.more_to_accept = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("cannot accept: give more --workers or a larger -n"),
            };
            let at = usize::try_from(fd.as_raw_fd()).context("a negative descriptor")?;
            // Not for writing, whose first event would come at once: few connections ever wait for room.
            self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(at), Interest::READABLE)?;
            if self.connections.len() <= at {
                self.connections.resize_with(at + 1, || None);
            }
            self.connections[at] = Some(fd);
            self.open += 1;
            self.accepted += 1;
        }
        Ok(())
    }

    /// Sends what waits and answers what has come; closes at the end or at an error.
    fn serve(&mut self, at: usize, ended: bool) {
        let Some(Some(fd)) = self.connections.get(at) else { return };
        if self.messages.serve(self.poll.registry(), fd, at, ended, &mut self.peers).is_err() {
            self.messages.forget(at);
            self.connections[at] = None;
            self.peers.schedule.remove(at);
            self.peers.subscribers.remove(at);
            self.open -= 1;
        }
    }

    /// The loop whose cost is the floor of a fan-out: one send() for each connection.
    fn send_all(&mut self, cast: &Cast) {
        for &at in self.peers.subscribers.of(cast.topic) {
            let at = at as usize;
            if let Some(Some(fd)) = self.connections.get(at) {
                // What fails here is seen when it is read from.
                let _ = self.messages.send(self.poll.registry(), fd, at, &cast.frames);
            }
        }
    }

    fn ping_some(&mut self) {
        if self.shape.mode != Mode::Ping {
            return;
        }
        let due = self.peers.schedule.take_due();
        for &at in &due {
            if !self.peers.schedule.is_due(at) {
                continue;
            }
            let at = at as usize;
            let Some(Some(fd)) = self.connections.get(at) else { continue };
            let ping = ping(micros(self.start.elapsed()));
            // What fails here is seen when it is read from.
            if self.messages.send(self.poll.registry(), fd, at, &ping).is_ok() {
                self.pings_sent += 1;
            }
        }
        self.peers.schedule.put_back(due);
    }

    fn publish(&mut self, tally: &Tally) {
        tally.open.store(self.open, Ordering::Relaxed);
        tally.accepted.store(self.accepted, Ordering::Relaxed);
        tally.pings_sent.store(self.pings_sent, Ordering::Relaxed);
        tally.pongs_received.store(self.peers.pongs_received, Ordering::Relaxed);
        if self.next_tick >= self.next_histogram {
            self.next_histogram = self.next_tick + HISTOGRAM;
            tally.round_trips().clone_from(&self.peers.round_trips);
        }
    }
}
