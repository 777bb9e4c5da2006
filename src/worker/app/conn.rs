//! A connection, as its handler sees it during a call.

use std::fmt;
use std::net::SocketAddr;

use super::closed::CloseReason;
use crate::worker::os::Os;
use crate::worker::stream::Reply;
use crate::worker::stream::compression::Outgoing;
use crate::worker::table::ConnId;
use crate::ws::{Message, encode};

/// One connection, during a call to its handler.
///
/// What is sent is gathered and leaves in one system call when the input at hand has been dealt with.
pub struct Conn<'a, D> {
    pub(in crate::worker) id: ConnId,
    pub(in crate::worker) data: &'a mut D,
    pub(in crate::worker) reply: &'a mut Reply,
    /// The payload of the message at hand while it can go back without a copy: only looked at, never through.
    returnable: *const [u8],
    /// Bytes in the connection's outbox.
    pub(in crate::worker) queued: usize,
    pub(in crate::worker) outbox_limit: usize,
    pub(in crate::worker) outgoing: Outgoing<'a>,
    pub(in crate::worker) peer: &'a dyn Peer,
}

/// A null pointer, which is the address of no message: none can go back without a copy.
const NOTHING: *const [u8] = std::ptr::slice_from_raw_parts(std::ptr::null(), 0);

impl<'a, D> Conn<'a, D> {
    pub(in crate::worker) const fn new(
        id: ConnId,
        data: &'a mut D,
        reply: &'a mut Reply,
        queued: usize,
        outbox_limit: usize,
        outgoing: Outgoing<'a>,
        peer: &'a dyn Peer,
    ) -> Self {
        Self { id, data, reply, returnable: NOTHING, queued, outbox_limit, outgoing, peer }
    }

    /// Lets the message at hand go back without a copy.
    #[inline]
    pub(in crate::worker) const fn may_return(&mut self, payload: &[u8]) {
        self.returnable = payload;
    }
}

impl<D> Conn<'_, D> {
    /// The same connection with a part of its data: for a handler that passes calls on to another one, whose data is that part.
    ///
    /// The message at hand can be sent back without a copy by the handler that it is passed on to, and no longer by this one.
    pub fn map<E>(&mut self, part: fn(&mut D) -> &mut E) -> Conn<'_, E> {
        Conn {
            id: self.id,
            data: part(self.data),
            reply: self.reply,
            returnable: std::mem::replace(&mut self.returnable, NOTHING),
            queued: self.queued,
            outbox_limit: self.outbox_limit,
            outgoing: self.outgoing.reborrow(),
            peer: self.peer,
        }
    }

    /// The connection's name, to address it later and from elsewhere through a [`Handle`](crate::Handle).
    #[must_use]
    pub const fn id(&self) -> ConnId {
        self.id
    }

    /// The application's data.
    #[must_use]
    pub const fn data(&self) -> &D {
        self.data
    }

    /// The application's data, to change.
    pub const fn data_mut(&mut self) -> &mut D {
        self.data
    }

    /// Sends a message, compressed where the connection agreed on it and the message gets smaller.
    ///
    /// # Errors
    /// [`SendError::Closing`] once the connection is being closed; [`SendError::OutboxFull`] when the message does not fit the
    /// outbox. Nothing of it is sent then, and the connection goes on: whether to close it, to drop the message or to try again
    /// later is the application's decision.
    pub fn send(&mut self, message: Message<'_>) -> Result<(), SendError> {
        // RFC 6455-6.1-1: a handler is called for open connections, of which this one ends as soon as the call does.
        if self.reply.close.is_some() {
            return Err(SendError::Closing);
        }
        let room = self.outbox_limit.saturating_sub(self.buffered());
        if std::ptr::eq(self.returnable, message.as_bytes()) {
            return self.give_back(message, room);
        }
        if !self.outgoing.write(&mut self.reply.bytes, message.opcode(), message.as_bytes(), room) {
            return Err(SendError::OutboxFull);
        }
        self.reply.messages += 1;
        Ok(())
    }

    /// Sends the message at hand back, from where it lies.
    #[inline]
    fn give_back(&mut self, message: Message<'_>, room: usize) -> Result<(), SendError> {
        let len = message.as_bytes().len();
        if encode::frame_len(len) > room {
            return Err(SendError::OutboxFull);
        }
        self.returnable = NOTHING;
        self.reply.echo(message.opcode(), len);
        self.reply.messages += 1;
        Ok(())
    }

    /// Closes the connection once everything sent so far is out. The first call counts; a text over 123 bytes is clipped.
    pub fn close(&mut self, reason: impl Into<CloseReason>, text: &str) {
        if self.reply.close.is_none() {
            self.reply.close = Some((reason.into().close_code(), text.into()));
        }
    }

    /// Tells the worker that dealing with a message takes more than looking at it: so many nanoseconds, roughly. A client whose messages
    /// take long has its turn among the others, where it else has one for as many bytes as others send.
    pub fn charge(&mut self, nanoseconds: usize) {
        self.outgoing.meter.charge(nanoseconds);
    }

    /// Bytes that wait to be written: those of this call, and those that the kernel did not take before.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.queued + self.reply.len()
    }

    /// The most bytes that may wait.
    #[must_use]
    pub const fn outbox_limit(&self) -> usize {
        self.outbox_limit
    }

    /// The peer's address; `None` for a Unix socket. A system call.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer.address()
    }
}

impl<D: fmt::Debug> fmt::Debug for Conn<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("id", &self.id).field("data", &self.data).finish_non_exhaustive()
    }
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is being closed.
    Closing,
    /// The message does not fit the connection's outbox: the peer reads too slowly.
    OutboxFull,
    /// The message is longer than any outbox may be ([`Config::outbox_limit`](crate::Config::outbox_limit)).
    TooLong,
    /// The worker's mailbox is full: more is sent from other threads than it can handle.
    MailboxFull,
    /// The server has ended, or never had such a connection.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "the connection is being closed",
            Self::OutboxFull => "the connection's outbox is full",
            Self::TooLong => "the message is longer than an outbox may be",
            Self::MailboxFull => "the worker's mailbox is full",
            Self::Gone => "the server has ended",
        })
    }
}

impl std::error::Error for SendError {}

/// Who is at the other end, asked only on demand.
pub(in crate::worker) trait Peer {
    fn address(&self) -> Option<SocketAddr>;
}

/// The peer of a socket.
pub(in crate::worker) struct SocketPeer<'a, O: Os> {
    pub(in crate::worker) os: &'a O,
    pub(in crate::worker) socket: &'a O::Socket,
}

impl<O: Os> Peer for SocketPeer<'_, O> {
    fn address(&self) -> Option<SocketAddr> {
        self.os.peer_address(self.socket)
    }
}
