//! The interface of a transport.

use std::io::{self, IoSlice};

use crate::base::pool::Pool;
use crate::worker::os::Os;
use crate::worker::table::ConnIndex;

/// A way in which the bytes of a connection's stream pass through its socket, with the state that it keeps of each connection.
///
/// The rest of the worker handles only bytes of the stream. A transport may wrap them in records, begin with a handshake, hold bytes of the
/// stream that were received and not asked for, and have bytes of its own to send. It keeps state by the connection's index, from the first
/// call until [`close`](Self::close).
///
/// Readiness is edge-triggered. So each call returns whether work is left that no new event will announce: [`Received::state`] for reading,
/// [`Sent::is_blocked`] for writing.
///
/// # Errors
/// All functions fail when the connection is lost; the worker then closes it. When the peer has broken the rules of the transport, and must
/// receive an alert before the connection ends, a function returns [`ReadState::Failed`].
pub(in crate::worker) trait Transport {
    /// Receives bytes of the stream: first up to `message.1` of them, appended to `message.0`, where a message is incomplete, and then into
    /// `buffer`. Makes at most one system call. Returns `WouldBlock` when nothing has arrived.
    fn receive<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received>;

    /// Handles bytes that were received before the transport began, behind a [preamble](crate::worker::stream::ListenerOptions), and
    /// replaces them with bytes of the stream.
    fn begin_after_preamble<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        received: &mut [u8],
    ) -> io::Result<Received>;

    /// Returns about how many bytes have arrived or are held, and were not handed out.
    fn unread<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> usize;

    /// Sends bytes of the stream. Either takes some of them or is blocked. The transport sends the bytes that it took itself, before
    /// anything else; the caller offers the others again, unless the connection ends.
    fn send<O: Os>(&mut self, cx: &mut TransportContext<'_, O>, bytes: &[u8]) -> io::Result<Sent>;

    /// Sends bytes of the stream from several slices, whose total length is `offered`, like [`send`](Self::send).
    fn send_vectored<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent>;

    /// Returns the number of bytes that the transport itself has to send and that the kernel has not taken.
    fn unsent(&self, index: ConnIndex) -> usize;

    /// Sends the transport's own bytes, when the socket may have room again. Returns whether all of them are sent.
    fn flush<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool>;

    /// Sends the peer the end of the stream, and shuts down the writing half of the socket. Returns `false` when the kernel has no room for
    /// that; the caller calls it again when there is.
    fn end_writing<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool>;

    /// Returns the work of all calls since the last call of this function, in the unit of [`Meter`](crate::base::meter::Meter), about a
    /// nanosecond: that of handshakes, and of bytes that were encrypted or decrypted. System calls, and each byte of the stream once, are
    /// charged by the worker.
    fn take_work(&mut self) -> usize;

    /// Returns the bytes that refuse a connection on which the transport has not begun. `response` is an HTTP response with that meaning; a
    /// transport whose peer could not read it returns an alert, or nothing.
    fn refusal<'a>(&self, response: &'a [u8]) -> &'a [u8];

    /// Forgets the connection, whose socket is closed next. May send the peer, with one system call, that the stream is incomplete.
    fn close<O: Os>(&mut self, cx: &mut TransportContext<'_, O>);
}

/// What a transport may use in a call about one connection.
#[cfg_attr(not(test), expect(dead_code, reason = "the plain transport keeps nothing"))]
pub(in crate::worker) struct TransportContext<'a, O: Os> {
    pub(in crate::worker) os: &'a mut O,
    pub(in crate::worker) socket: &'a O::Socket,
    pub(in crate::worker) index: ConnIndex,
    /// The pool for buffers of the transport's state.
    pub(in crate::worker) pool: &'a mut Pool,
}

/// The result of receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct Received {
    /// Bytes of the stream in total. May be 0, since an incomplete record yields none.
    pub(in crate::worker) len: usize,
    /// How many of these bytes continue the message; the others are in the buffer.
    pub(in crate::worker) appended: usize,
    pub(in crate::worker) state: ReadState,
}

/// What a read has shown about the bytes after those it returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum ReadState {
    /// There may be more, and no event will announce it.
    MayHaveMore,
    /// Nothing until an event announces more, except the end of the stream if the last event reported it.
    Drained,
    /// The end of the stream was received.
    Ended,
    /// The peer has broken the rules of the transport, and the transport has sent an alert. No more bytes of the stream are sent or
    /// received.
    #[cfg_attr(not(test), expect(dead_code, reason = "the plain transport has no rules"))]
    Failed,
}

/// The result of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct Sent {
    /// Bytes of the stream that were taken.
    pub(in crate::worker) len: usize,
    /// Whether the kernel takes nothing more until an event reports room.
    pub(in crate::worker) is_blocked: bool,
}
