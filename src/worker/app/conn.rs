//! A connection as its handler sees it during a call.

use std::fmt;
use std::net::SocketAddr;

use super::closed::CloseReason;
use crate::worker::os::Os;
use crate::worker::stream::Reply;
use crate::worker::stream::compression::MessageWriter;
use crate::worker::table::ConnId;
use crate::ws::{Message, encode};

/// One connection, during a call to its handler.
///
/// The worker collects the messages that the handler sends, and writes them with one system call when it has handled the input that it has
/// read.
pub struct Conn<'a, D> {
    pub(in crate::worker) id: ConnId,
    pub(in crate::worker) data: &'a mut D,
    pub(in crate::worker) reply: &'a mut Reply,
    /// The payload of the current message while it can be sent back without a copy. The pointer is only compared, never dereferenced.
    echoable: *const [u8],
    /// Bytes in the connection's outbox.
    pub(in crate::worker) outbox_len: usize,
    pub(in crate::worker) outbox_limit: usize,
    pub(in crate::worker) writer: MessageWriter<'a>,
    pub(in crate::worker) peer: &'a dyn PeerAddress,
}

/// A null pointer, which is the address of no payload: no message can be sent back without a copy.
const NO_PAYLOAD: *const [u8] = std::ptr::slice_from_raw_parts(std::ptr::null(), 0);

impl<'a, D> Conn<'a, D> {
    pub(in crate::worker) const fn new(
        id: ConnId,
        data: &'a mut D,
        reply: &'a mut Reply,
        outbox_len: usize,
        outbox_limit: usize,
        writer: MessageWriter<'a>,
        peer: &'a dyn PeerAddress,
    ) -> Self {
        Self { id, data, reply, echoable: NO_PAYLOAD, outbox_len, outbox_limit, writer, peer }
    }

    /// Lets the handler send this payload back without a copy.
    #[inline]
    pub(in crate::worker) const fn may_echo(&mut self, payload: &[u8]) {
        self.echoable = payload;
    }
}

impl<D> Conn<'_, D> {
    /// Returns this connection with a part of its data. A handler that wraps another one keeps the other's data as a part of its own, and
    /// passes calls on with that part.
    ///
    /// Both values are the same connection: what is sent or closed through either counts for both. After this call, sending the
    /// [current message](crate::Handler::message) back copies it if it is sent through the outer value.
    ///
    /// ```
    /// use throng::{Conn, Handler, Message};
    ///
    /// struct User<D> {
    ///     number: u32,
    ///     inner: D,
    /// }
    ///
    /// /// Passes a message on to the handler `inner`.
    /// fn pass_on<H: Handler>(inner: &mut H, conn: &mut Conn<'_, User<H::Data>>, message: Message<'_>) {
    ///     inner.message(&mut conn.map(|user| &mut user.inner), message);
    /// }
    /// ```
    pub fn map<E>(&mut self, part: fn(&mut D) -> &mut E) -> Conn<'_, E> {
        Conn {
            id: self.id,
            data: part(self.data),
            reply: self.reply,
            echoable: std::mem::replace(&mut self.echoable, NO_PAYLOAD),
            outbox_len: self.outbox_len,
            outbox_limit: self.outbox_limit,
            writer: self.writer.reborrow(),
            peer: self.peer,
        }
    }

    /// Returns the connection's id, with which a [`Handle`](crate::Handle) reaches it later and from other threads.
    #[must_use]
    pub const fn id(&self) -> ConnId {
        self.id
    }

    /// Returns the application's data of this connection.
    #[must_use]
    pub const fn data(&self) -> &D {
        self.data
    }

    /// Returns the application's data of this connection, mutably.
    pub const fn data_mut(&mut self) -> &mut D {
        self.data
    }

    /// Sends a message, compressed where the connection negotiated compression and the message gets smaller.
    ///
    /// # Errors
    /// [`SendError::Closing`] once the connection is being closed; [`SendError::OutboxFull`] when the message does not fit the outbox.
    /// Nothing of the message is sent then, and the connection stays open: the application decides whether to close it, to drop the message
    /// or to try again later.
    pub fn send(&mut self, message: Message<'_>) -> Result<(), SendError> {
        // RFC 6455-6.1-1: handlers are called for open connections only, and this one ends as soon as the call returns.
        if self.reply.close.is_some() {
            return Err(SendError::Closing);
        }
        let room = self.outbox_limit.saturating_sub(self.buffered());
        if std::ptr::eq(self.echoable, message.as_bytes()) {
            return self.echo(message, room);
        }
        if !self.writer.write(&mut self.reply.bytes, message.opcode(), message.as_bytes(), room) {
            return Err(SendError::OutboxFull);
        }
        self.reply.messages += 1;
        Ok(())
    }

    /// Sends the current message back from the receive buffer.
    #[inline]
    fn echo(&mut self, message: Message<'_>, room: usize) -> Result<(), SendError> {
        let len = message.as_bytes().len();
        if encode::frame_len(len) > room {
            return Err(SendError::OutboxFull);
        }
        self.echoable = NO_PAYLOAD;
        self.reply.echo(message.opcode(), len);
        self.reply.messages += 1;
        Ok(())
    }

    /// Closes the connection once everything sent so far is written. On a WebSocket, the peer gets the reason as a close code, and the text.
    /// Only the first call has an effect. A text longer than 123 bytes is truncated.
    pub fn close(&mut self, reason: impl Into<CloseReason>, text: &str) {
        if self.reply.close.is_none() {
            self.reply.close = Some((reason.into().close_code(), text.into()));
        }
    }

    /// Charges `nanoseconds` of work to this connection: about what handling a message takes beyond reading it. A worker does a bounded
    /// amount of work for a connection before others get their turn; without this call it counts little more than the bytes received.
    pub fn charge(&mut self, nanoseconds: usize) {
        self.writer.meter.charge(nanoseconds);
    }

    /// Returns the number of bytes that wait to be written: those sent during this call, and those that the kernel did not take before.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.outbox_len + self.reply.len()
    }

    /// Returns the most bytes that may wait to be written.
    #[must_use]
    pub const fn outbox_limit(&self) -> usize {
        self.outbox_limit
    }

    /// Returns the peer's address; `None` for a Unix socket. Makes a system call.
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
    /// The worker's mailbox is full: other threads send more than the worker can handle.
    MailboxFull,
    /// There is no such connection, or the server has ended.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "the connection is being closed",
            Self::OutboxFull => "the connection's outbox is full",
            Self::TooLong => "the message is longer than an outbox may be",
            Self::MailboxFull => "the worker's mailbox is full",
            Self::Gone => "the connection or the server has ended",
        })
    }
}

impl std::error::Error for SendError {}

/// The address of a peer, which is looked up only on demand.
pub(in crate::worker) trait PeerAddress {
    fn address(&self) -> Option<SocketAddr>;
}

/// The peer of a socket.
pub(in crate::worker) struct SocketPeer<'a, O: Os> {
    pub(in crate::worker) os: &'a O,
    pub(in crate::worker) socket: &'a O::Socket,
}

impl<O: Os> PeerAddress for SocketPeer<'_, O> {
    fn address(&self) -> Option<SocketAddr> {
        self.os.peer_address(self.socket)
    }
}
