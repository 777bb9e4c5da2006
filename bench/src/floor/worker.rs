//! One worker of the floor: a listener, an epoll and as little as possible around them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use throng::sys::socket::{self, Sharing};
use throng::sys::{fdtable, signals};

use super::Shared;

/// Connections accepted in one iteration.
const ACCEPTS: usize = 64;
/// Connections that may wait to be accepted.
const BACKLOG: u16 = 4096;
/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// How often the worker looks at whether it is to stop.
const TICK: Duration = Duration::from_millis(100);
const LISTENER: Token = Token(usize::MAX - 1);

struct Worker {
    poll: Poll,
    listener: OwnedFd,
    /// Connections by descriptor number.
    connections: Vec<Option<OwnedFd>>,
    input: Vec<u8>,
    open: u64,
    accepted: u64,
    /// The listener may hold more than was accepted: its edge has been seen, and `EAGAIN` not.
    more_to_accept: bool,
}

pub(super) fn run(
    number: usize,
    address: SocketAddr,
    private_table: bool,
    shared: &Shared,
    ready: &Sender<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    // First of all, before anything here owns a descriptor.
    let table = if private_table { fdtable::make_private(&[]) } else { Ok(()) };
    let made = table.context("cannot give a worker its own descriptor table").and_then(|()| {
        signals::block_all().context("cannot block signals")?;
        pin(number);
        Worker::new(address)
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
        shared.tallies[number].open.store(worker.open, Ordering::Relaxed);
        shared.tallies[number].accepted.store(worker.accepted, Ordering::Relaxed);
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
    fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an epoll")?;
        let listener = socket::listen_tcp(address, Sharing::Group, BACKLOG)
            .with_context(|| format!("cannot listen on {address}"))?;
        poll.registry().register(&mut SourceFd(&listener.as_raw_fd()), LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            connections: Vec::new(),
            input: vec![0; 64 * 1024],
            open: 0,
            accepted: 0,
            more_to_accept: false,
        })
    }

    fn turn(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let timeout = if self.more_to_accept { Duration::ZERO } else { TICK };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(error).context("cannot wait for events");
            }
            _ => {}
        }
        for event in &*events {
            if event.token() == LISTENER {
                self.more_to_accept = true;
            } else if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(event.token().0);
            }
        }
        if self.more_to_accept { self.accept_some() } else { Ok(()) }
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
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(at), interest)?;
            if self.connections.len() <= at {
                self.connections.resize_with(at + 1, || None);
            }
            self.connections[at] = Some(fd);
            self.open += 1;
            self.accepted += 1;
        }
        Ok(())
    }

    /// Reads to throw away, and closes at the end or at an error.
    fn read(&mut self, at: usize) {
        let Some(slot) = self.connections.get_mut(at) else { return };
        let Some(fd) = slot else { return };
        loop {
            match socket::recv(fd.as_fd(), &mut self.input) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        *slot = None;
        self.open -= 1;
    }
}
