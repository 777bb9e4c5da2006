//! What a worker needs of the operating system, at the level of system calls.
//!
//! The trait is the seam at which a simulation can take the kernel's place: sockets, readiness, time and chance all come
//! through it and nothing else does. Calls are monomorphised; there is no dynamic dispatch on the message path.

pub(super) mod linux;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

/// The operating system as one worker sees it. Errors carry the meaning of their system call; `WouldBlock` is `EAGAIN`.
pub(crate) trait Os {
    /// A stream socket. Dropping it closes it. Four bytes with a niche, so that a vacant slot of a table costs nothing more.
    type Socket;
    /// A listening socket.
    type Listener;

    /// Time since some fixed point in the past; never goes back.
    fn now(&self) -> Duration;

    /// Waits until something is ready, the worker is woken, or the timeout has passed, and puts what is ready into `ready`
    /// (which is emptied first). A wake-up alone leaves it empty.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Watches a listener, edge-triggered.
    fn watch_listener(&mut self, listener: &Self::Listener, token: Token) -> io::Result<()>;

    /// Watches a listener that the workers share, so that an event wakes one of them, the first in line; what waits already is an event.
    fn watch_together(&mut self, listener: &Self::Listener, token: Token) -> io::Result<()> {
        // For systems with one worker.
        self.watch_listener(listener, token)
    }

    /// Watches such a listener no more.
    fn unwatch(&mut self, _listener: &Self::Listener) {}

    /// Watches a socket for reading and writing, edge-triggered, once and for its whole life.
    fn watch(&mut self, socket: &Self::Socket, token: Token) -> io::Result<()>;

    /// Opens a listener again that [`close_listener`](Self::close_listener) closed.
    fn listen(&mut self, address: SocketAddr) -> io::Result<Self::Listener>;

    /// Closes a listener.
    fn close_listener(&mut self, listener: Self::Listener);

    /// Takes one connection.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<Self::Socket>;

    /// Gives up one descriptor kept in reserve, so that a connection can be taken and refused when there is no other. `false`
    /// when there is none in reserve.
    fn release_reserve(&mut self) -> bool;

    /// Takes the descriptor in reserve back, where it is missing and one is free.
    fn refill_reserve(&mut self);

    /// Reads; 0 is the end of the stream.
    fn recv(&mut self, socket: &Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads in one call up to `most` bytes behind what is in `first`, and what follows them into `rest`; the sum of both.
    fn recv_append(
        &mut self,
        socket: &Self::Socket,
        first: &mut Vec<u8>,
        most: usize,
        rest: &mut [u8],
    ) -> io::Result<usize> {
        // For systems that are no kernel: as two calls, of which the second brings nothing rather than an error.
        let before = first.len();
        first.resize(before + most, 0);
        let read = self.recv(socket, &mut first[before..]);
        first.truncate(before + read.as_ref().map_or(0, |&len| len));
        match read {
            Ok(len) if len == most => Ok(len + self.recv(socket, rest).unwrap_or(0)),
            other => other,
        }
    }

    /// Bytes that have arrived and are not read.
    fn unread(&mut self, socket: &Self::Socket) -> usize;

    /// Writes.
    fn send(&mut self, socket: &Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// Writes from several slices.
    fn send_vectored(&mut self, socket: &Self::Socket, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Changes how much the system takes of a connection before the peer's window admits it, in bytes, where it has such a limit.
    fn limit_unsent(&mut self, socket: &Self::Socket, bytes: u32);

    /// What has become of the bytes that were written, where the system tells it.
    fn output(&self, socket: &Self::Socket) -> Option<Output>;

    /// Ends the writing half.
    fn shutdown_write(&mut self, socket: &Self::Socket) -> io::Result<()>;

    /// Closes a socket.
    fn close(&mut self, socket: Self::Socket);

    /// The peer's address; `None` where it has none.
    fn peer_address(&self, socket: &Self::Socket) -> Option<SocketAddr>;

    /// A number that is hard to guess.
    fn random(&mut self) -> u64;
}

/// What has become of a connection's output, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    /// Those that the peer's system has acknowledged since the connection began.
    pub(crate) acknowledged: u64,
    /// Those that it has not, sent or not.
    pub(crate) unacknowledged: u64,
    /// For how long it has acknowledged nothing, not even that it is still there.
    pub(crate) silent_for: Duration,
}

/// What a readiness event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

/// A socket or listener is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    /// There is something to read, or the peer has ended its half, or an error to take.
    pub(crate) readable: bool,
    /// There is room to write.
    pub(crate) writable: bool,
    /// The peer has ended its half, or the connection is lost: a short read is not the last.
    pub(crate) closed: bool,
}
