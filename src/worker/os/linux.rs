//! The real operating system: epoll through mio, sockets through [`sys`](crate::sys).

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};

use crate::base::notifier::Wake;
use crate::budget::{DEFER_ACCEPT, EVENTS_PER_WAIT, LISTEN_BACKLOG, UNSENT_IN_KERNEL};
use crate::sys::eventfd::EventFd;
use crate::sys::socket::{self, Sharing};
use crate::sys::{epoll, options};
use crate::worker::os::{Os, OutputStatus, PeerEnd, Ready, Token};

/// The token of the waker, which no connection or listener has.
const WAKER: usize = usize::MAX;

/// Makes a listener for clients: the first listener of an address, or one of the group that shares it. With a core, the listener gets the
/// connections whose first packet that core handles.
pub(crate) fn listen_for_clients(
    address: SocketAddr,
    sharing: Sharing,
    core: Option<usize>,
) -> io::Result<OwnedFd> {
    let listener = socket::listen_tcp(address, sharing, LISTEN_BACKLOG)?;
    options::limit_unsent(listener.as_fd(), UNSENT_IN_KERNEL)?;
    options::defer_accept(listener.as_fd(), DEFER_ACCEPT)?;
    if let Some(core) = core {
        options::prefer_core(listener.as_fd(), core)?;
    }
    Ok(listener)
}

/// Linux, as one worker thread sees it. All descriptors belong to that thread's descriptor table.
pub(crate) struct Linux {
    poll: Poll,
    events: Events,
    start: Instant,
    random: RandomState,
    drawn: u64,
    /// The core that handles the first packets of the connections which this worker's listeners get; `None` means any.
    core: Option<usize>,
    /// A descriptor held in reserve, so that the worker can still accept and refuse a connection when it has no other left.
    reserve: Option<File>,
}

impl Linux {
    /// Makes the worker's epoll instance, and registers `waker` with it. Times count from `start`. With a core, the worker's listeners get
    /// the connections whose first packet that core handles.
    pub(crate) fn new(start: Instant, waker: BorrowedFd<'_>, core: Option<usize>) -> io::Result<Self> {
        let poll = Poll::new()?;
        // The waker is written to and never read: each write is an edge.
        poll.registry().register(&mut SourceFd(&waker.as_raw_fd()), mio::Token(WAKER), Interest::READABLE)?;
        let events = Events::with_capacity(EVENTS_PER_WAIT);
        let mut this =
            Self { poll, events, start, random: RandomState::new(), drawn: 0, core, reserve: None };
        this.refill_reserve();
        Ok(this)
    }

    fn register(&self, fd: &OwnedFd, token: Token, interest: Interest) -> io::Result<()> {
        let token = usize::try_from(token.0).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), mio::Token(token), interest)
    }
}

impl Os for Linux {
    type Socket = OwnedFd;
    type Listener = OwnedFd;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let mut timeout = timeout;
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            // The process may have been stopped, for any length of time (epoll_wait(2) fails with EINTR after SIGSTOP and SIGCONT,
            // signal(7)): input that is ready now is handled before any deadline is enforced.
            timeout = Some(Duration::ZERO);
        }
        let events = self.events.iter().filter(|event| event.token().0 != WAKER);
        ready.extend(events.map(|event| Ready {
            token: Token(event.token().0 as u64),
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    fn watch_listener(&mut self, listener: &OwnedFd, token: Token) -> io::Result<()> {
        self.register(listener, token, Interest::READABLE)
    }

    fn watch_exclusive(&mut self, listener: &OwnedFd, token: Token) -> io::Result<()> {
        epoll::watch_exclusive(self.poll.as_raw_fd(), listener.as_fd(), token.0)
    }

    fn unwatch(&mut self, listener: &OwnedFd) {
        // It fails where the listener is not watched, which has the same result.
        let _ = epoll::unwatch(self.poll.as_raw_fd(), listener.as_fd());
    }

    fn watch(&mut self, socket: &OwnedFd, token: Token) -> io::Result<()> {
        self.register(socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<OwnedFd> {
        listen_for_clients(address, Sharing::Group, self.core)
    }

    fn close_listener(&mut self, listener: OwnedFd) {
        drop(listener);
    }

    fn accept(&mut self, listener: &OwnedFd) -> io::Result<OwnedFd> {
        uninterrupted(|| socket::accept(listener.as_fd()))
    }

    fn release_reserve(&mut self) -> bool {
        self.reserve.take().is_some()
    }

    fn refill_reserve(&mut self) {
        if self.reserve.is_none() {
            self.reserve = File::open("/dev/null").ok();
        }
    }

    fn recv(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| socket::recv(socket.as_fd(), buffer))
    }

    fn recv_append(
        &mut self,
        socket: &OwnedFd,
        first: &mut Vec<u8>,
        most: usize,
        rest: &mut [u8],
    ) -> io::Result<usize> {
        uninterrupted(|| socket::recv_append(socket.as_fd(), first, most, rest))
    }

    fn unread(&mut self, socket: &OwnedFd) -> usize {
        // It cannot fail for a connection. If it does, 0 is a safe answer: nothing is known to have arrived.
        socket::unread(socket.as_fd()).unwrap_or(0)
    }

    fn peer_end(&self, socket: &OwnedFd) -> PeerEnd {
        // It fails only for lack of memory, and a later event or the deadline tells as well.
        socket::peer_end(socket.as_fd()).unwrap_or(PeerEnd::Nothing)
    }

    fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| socket::send(socket.as_fd(), bytes))
    }

    fn send_vectored(&mut self, socket: &OwnedFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        uninterrupted(|| socket::send_vectored(socket.as_fd(), slices))
    }

    fn limit_unsent(&mut self, socket: &OwnedFd, bytes: u32) {
        // It fails for sockets other than TCP sockets, which have no such limit.
        let _ = options::limit_unsent(socket.as_fd(), bytes);
    }

    fn output_status(&self, socket: &OwnedFd) -> Option<OutputStatus> {
        // It fails for sockets other than TCP sockets.
        let info = options::tcp_info(socket.as_fd()).ok()?;
        let unacknowledged = options::unacknowledged(socket.as_fd()).ok()?;
        Some(OutputStatus {
            acknowledged: info.bytes_acked,
            unacknowledged: u64::from(unacknowledged),
            silent_for: Duration::from_millis(info.last_ack_recv.into()),
        })
    }

    fn shutdown_write(&mut self, socket: &OwnedFd) -> io::Result<()> {
        socket::shutdown_write(socket.as_fd())
    }

    fn close(&mut self, socket: OwnedFd) {
        drop(socket);
    }

    fn peer_address(&self, socket: &OwnedFd) -> Option<SocketAddr> {
        socket::peer_address(socket.as_fd()).ok()
    }

    fn random(&mut self) -> u64 {
        // A keyed SipHash of a counter. The keys come from the system's entropy, once per process.
        let mut hasher = self.random.build_hasher();
        self.drawn += 1;
        hasher.write_u64(self.drawn);
        hasher.finish()
    }
}

/// Repeats a call that a signal interrupted. Signals mean nothing to a worker.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl Wake for EventFd {
    fn wake(&self) {
        // The only error is a full counter, which wakes the worker as well.
        let _ = self.signal();
    }
}
