//! What a transport does for a connection.

use std::io::{self, IoSlice};

use crate::base::pool::Pool;
use crate::worker::os::Os;

/// A way in which the bytes of a connection's stream pass through its socket, with what is kept for it of each connection.
///
/// The rest of the worker knows the stream's bytes alone. A transport may wrap them in records, have a handshake before the first of them,
/// hold bytes of the stream that were received and not asked for, and have bytes of its own to send. It keeps what it needs of a connection by the
/// connection's index, from the first call until [`close`](Self::close).
///
/// Readiness is edge-triggered. So the transport says after each call whether something is left to do without a new event:
/// [`Received::next`] for reading, [`Sent::is_blocked`] for writing.
///
/// # Errors
/// All functions fail when the connection is lost, and it is closed then. Where the peer has broken the rules of the transport and has to be
/// told before, [`Next::Failed`] is the answer.
pub(in crate::worker) trait Transport {
    /// Receives bytes of the stream: first up to `message.1` of them behind those in `message.0`, where there is a message to be continued,
    /// and then into `buffer`. It makes one system call at most. `WouldBlock` when nothing has arrived.
    fn receive<O: Os>(
        &mut self,
        link: &mut Link<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received>;

    /// Takes in bytes that were received before there was a transport, behind a [preamble](crate::worker::stream::ListenerOptions). Bytes of the
    /// stream take their place.
    fn begin<O: Os>(&mut self, link: &mut Link<'_, O>, received: &mut [u8]) -> io::Result<Received>;

    /// Bytes that have arrived or are held, and were not handed out, about.
    fn unread<O: Os>(&mut self, link: &mut Link<'_, O>) -> usize;

    /// Sends bytes of the stream. What it has taken it sends by itself, before anything else: nobody sends it again. What it has not taken is
    /// offered again, unless the connection ends. It takes something or is blocked.
    fn send<O: Os>(&mut self, link: &mut Link<'_, O>, bytes: &[u8]) -> io::Result<Sent>;

    /// Sends bytes of the stream that lie in several places, of which `offered` is the sum, like [`send`](Self::send).
    fn send_vectored<O: Os>(
        &mut self,
        link: &mut Link<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent>;

    /// Bytes that the transport itself has to send and that the kernel has not taken.
    fn unsent(&self, index: u32) -> usize;

    /// Sends those: the socket may have room again. Whether all are out.
    fn flush<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool>;

    /// Tells the peer that the stream ends, and ends the writing half of the socket. `false` when the kernel has no room for that; then this is
    /// called again when it has.
    fn end_writing<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool>;

    /// Forgets the connection, whose socket is closed next. Where the stream has not ended, the peer may be told so, in one system call.
    fn close<O: Os>(&mut self, link: &mut Link<'_, O>);
}

/// A connection as its transport sees it.
#[cfg_attr(not(test), expect(dead_code, reason = "the plain transport keeps nothing"))]
pub(in crate::worker) struct Link<'a, O: Os> {
    pub(in crate::worker) os: &'a mut O,
    pub(in crate::worker) socket: &'a O::Socket,
    pub(in crate::worker) index: u32,
    /// Where memory for what is kept of it comes from.
    pub(in crate::worker) pool: &'a mut Pool,
}

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct Received {
    /// Bytes of the stream, in all. There may be none: of a record that has not ended nothing can be told.
    pub(in crate::worker) len: usize,
    /// How many of them continue the message; the others are in the buffer.
    pub(in crate::worker) appended: usize,
    pub(in crate::worker) next: Next,
}

/// What there is to receive next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Next {
    /// There may be more, of which no event will tell.
    More,
    /// Nothing: an event will tell of more. Only the end of the stream may have come, if the last event said so.
    Event,
    /// The end of the stream was received.
    End,
    /// The peer has broken the rules of the transport, of which it has been told. Nothing is sent and nothing is received of the
    /// stream any more.
    #[cfg_attr(not(test), expect(dead_code, reason = "the plain transport has no rules"))]
    Failed,
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) struct Sent {
    /// Bytes of the stream that were taken.
    pub(in crate::worker) len: usize,
    /// The kernel takes nothing more until an event tells of room.
    pub(in crate::worker) is_blocked: bool,
}
