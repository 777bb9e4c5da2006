//! The operating system as a worker uses it, at the level of system calls.
//!
//! The trait is the seam at which a simulation replaces the kernel: sockets, readiness, time and randomness pass through it, and nothing
//! else does. Calls are monomorphised; there is no dynamic dispatch on the message path.

pub(super) mod linux;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use crate::sys::socket::PeerEnd;

/// The operating system as one worker sees it. Errors are those of the system calls; `WouldBlock` is `EAGAIN`.
pub(crate) trait Os {
    /// A stream socket. Dropping it closes it. It has four bytes with a niche, so that a vacant slot of a table takes no more memory.
    type Socket;
    /// A listening socket.
    type Listener;

    /// Returns the time since some fixed point in the past. It is monotonic.
    fn now(&self) -> Duration;

    /// Waits until a socket is ready, the worker is woken, or the timeout has passed. Clears `ready` and fills it with the readiness
    /// events. After a wake-up alone it is empty.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Registers a listener, edge-triggered.
    fn watch_listener(&mut self, listener: &Self::Listener, token: Token) -> io::Result<()>;

    /// Registers a listener that the workers share, so that an event wakes one of them, the first in line. A connection that waits already
    /// is an event.
    fn watch_exclusive(&mut self, listener: &Self::Listener, token: Token) -> io::Result<()> {
        // The default is for systems with one worker.
        self.watch_listener(listener, token)
    }

    /// Deregisters a listener that the workers share.
    fn unwatch(&mut self, _listener: &Self::Listener) {}

    /// Registers a socket for reading and writing, edge-triggered, once for its lifetime.
    fn watch(&mut self, socket: &Self::Socket, token: Token) -> io::Result<()>;

    /// Opens a listener again that [`close_listener`](Self::close_listener) closed.
    fn listen(&mut self, address: SocketAddr) -> io::Result<Self::Listener>;

    /// Closes a listener.
    fn close_listener(&mut self, listener: Self::Listener);

    /// Accepts one connection.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<Self::Socket>;

    /// Closes the descriptor that is held in reserve, so that a connection can be accepted and refused when no other is free. Returns
    /// `false` when none is in reserve.
    fn release_reserve(&mut self) -> bool;

    /// Opens the reserve descriptor again, where it is missing and a descriptor is free.
    fn refill_reserve(&mut self);

    /// Reads into `buffer`, and returns the number of bytes; 0 is the end of the stream.
    fn recv(&mut self, socket: &Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads with one call up to `most` bytes, appended to `first`, and what follows them into `rest`. Returns the sum of both.
    fn recv_append(
        &mut self,
        socket: &Self::Socket,
        first: &mut Vec<u8>,
        most: usize,
        rest: &mut [u8],
    ) -> io::Result<usize> {
        // For systems that are no kernel: two calls, of which the second returns 0 rather than an error.
        let before = first.len();
        first.resize(before + most, 0);
        let read = self.recv(socket, &mut first[before..]);
        first.truncate(before + read.as_ref().map_or(0, |&len| len));
        match read {
            Ok(len) if len == most => Ok(len + self.recv(socket, rest).unwrap_or(0)),
            other => other,
        }
    }

    /// Returns the number of bytes that have arrived and are not read.
    fn unread(&mut self, socket: &Self::Socket) -> usize;

    /// Returns how much of the connection the peer has ended, without reading what has arrived before the end.
    fn peer_end(&self, socket: &Self::Socket) -> PeerEnd;

    /// Writes, and returns the number of bytes that were taken.
    fn send(&mut self, socket: &Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// Writes from several slices, and returns the number of bytes that were taken.
    fn send_vectored(&mut self, socket: &Self::Socket, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sets how many bytes the system takes for a connection that are not sent yet, where it has such a limit.
    fn limit_unsent(&mut self, socket: &Self::Socket, bytes: u32);

    /// Returns what has become of the bytes that were written, where the system reports it.
    fn output_status(&self, socket: &Self::Socket) -> Option<OutputStatus>;

    /// Shuts down the writing half.
    fn shutdown_write(&mut self, socket: &Self::Socket) -> io::Result<()>;

    /// Closes a socket.
    fn close(&mut self, socket: Self::Socket);

    /// Returns the peer's address; `None` where it has none.
    fn peer_address(&self, socket: &Self::Socket) -> Option<SocketAddr>;

    /// Returns a number that is hard to guess.
    fn random(&mut self) -> u64;
}

/// What has become of a connection's output, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputStatus {
    /// Bytes that the peer's system has acknowledged since the connection began.
    pub(crate) acknowledged: u64,
    /// Bytes that the peer's system has not acknowledged, sent or not.
    pub(crate) unacknowledged: u64,
    /// How long the peer's system has sent no acknowledgement, not even that it is still there.
    pub(crate) silent_for: Duration,
}

/// Identifies the socket or listener of a readiness event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

/// A socket or listener is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    /// There is input, the end of the peer's half, or an error to read.
    pub(crate) readable: bool,
    /// There is room to write.
    pub(crate) writable: bool,
    /// The peer has shut down its writing half, or the connection is lost: a short read does not mean that nothing is left to read.
    pub(crate) read_closed: bool,
}
