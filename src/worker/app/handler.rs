//! The application's side of a worker.

use std::convert::Infallible;
use std::time::Duration;

use super::conn::Conn;
use super::connecting::Connecting;
use super::handle::Handle;
use super::turn::{Connections, Turn};
use super::verdict::Verdict;
use crate::http::Request;
use crate::worker::table::ConnId;
use crate::ws::handshake::refusal_of_plain;
use crate::ws::{CloseFrame, DecodeError, Message, ProtocolError};

/// What an application does with its connections.
///
/// Every worker has a handler of its own, made in its thread: nothing here is shared, locked or awaited. A call must not
/// block, for all connections of the worker wait meanwhile; what takes long belongs on a thread of the application's, which
/// answers through a [`Handle`].
///
/// ```
/// use throng::{Accept, Conn, Connecting, Handler, Message, Verdict};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Data = ();
///
///     fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
///         Accept::new(()).into()
///     }
///
///     fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
///         if conn.send(message).is_err() {
///             conn.close(throng::CloseCode::POLICY_VIOLATION, "read what you are sent");
///         }
///     }
/// }
/// ```
pub trait Handler {
    /// What the application keeps of each connection, in the connection's own record: `()` costs nothing, and a few bytes of
    /// plain data little more than themselves. Prefer them to boxes: a million connections have a million.
    type Data;

    /// Whether it accepts connections as [enveloped](Accept::enveloped): a server that has not the memory for messages so long does not
    /// start then.
    const ENVELOPES: bool = false;

    /// A request to open a WebSocket has come, which is well-formed by RFC 6455. Accept it, with one of the [subprotocols it
    /// offers](Request::subprotocols) if there is one for it, or refuse it.
    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Self::Data>;

    /// A request has come that asks for no WebSocket: of any method, with one host, and without a body, which the server does not take.
    /// The answer to HEAD is that to GET, whose body the server leaves out. Without this function it is 426, and 405 to other methods than
    /// GET and HEAD.
    fn request(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Infallible> {
        refusal_of_plain(&connecting.request()).into()
    }

    /// The connection is open: messages may be sent from now on.
    fn open(&mut self, conn: &mut Conn<'_, Self::Data>, request: &Request<'_>) {
        let _ = (conn, request);
    }

    /// A whole message has arrived. It is lent from the worker's buffer: copy what must outlive the call.
    fn message(&mut self, conn: &mut Conn<'_, Self::Data>, message: Message<'_>);

    /// The server ends in order, and is about to close this connection with 1001: what is sent now leaves before that. Closing it with
    /// something else has no effect.
    fn farewell(&mut self, conn: &mut Conn<'_, Self::Data>) {
        let _ = conn;
    }

    /// No more messages will come from this connection, nor go to it. Called exactly once for every connection that was
    /// opened, as soon as either side has closed it or it was lost.
    fn close(&mut self, id: ConnId, data: Self::Data, reason: Closed<'_>) {
        let _ = (id, data, reason);
    }

    /// The handler's turn, once in each iteration of the worker's loop, after the sockets: the time for messages to many, and for what
    /// other threads have left for it, who [wake](Handle::wake) the worker. What takes long has to be done in slices, with
    /// [`Turn::Again`] between them.
    fn turn(&mut self, connections: &mut Connections<'_, Self::Data>) -> Turn {
        let _ = connections;
        Turn::Idle
    }

    /// How often [`tick`](Self::tick) is to be called; asked once, when the worker starts. From a millisecond to a week;
    /// what is outside becomes the nearer of the two. `None`: never.
    fn tick_interval(&self) -> Option<Duration> {
        None
    }

    /// The interval has passed.
    fn tick(&mut self, worker: &Context<'_>) {
        let _ = worker;
    }
}

/// The worker that a tick is about.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) worker: usize,
    pub(crate) open: usize,
    pub(crate) max_message: usize,
    pub(crate) handle: &'a Handle,
}

impl Context<'_> {
    /// The worker's number, from 0.
    #[must_use]
    pub const fn worker(&self) -> usize {
        self.worker
    }

    /// WebSockets open on this worker.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Most bytes of a message received, or of a payload that is wrapped in one: [`Config::max_message`](crate::Config::max_message).
    #[must_use]
    pub const fn max_message(&self) -> usize {
        self.max_message
    }

    /// A handle to the whole server.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        self.handle
    }
}

/// Why a connection is over, and whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed<'a> {
    /// The peer closed it, with this Close frame.
    ByPeer(CloseFrame<'a>),
    /// We closed it, with this Close frame: the handler, a [`Handle`], or the end of the server.
    ByUs(CloseFrame<'a>),
    /// The peer broke the protocol.
    Failed(ProtocolError),
    /// The peer did not answer a Ping in time.
    PongTimeout,
    /// A message that the peer had begun did not end in time.
    MessageTimeout,
    /// A message from another thread did not fit the outbox: the peer reads too slowly.
    OutboxOverflow,
    /// The worker had no buffer memory left for it.
    BuffersExhausted,
    /// It ended without a Close frame: reset, or the peer is gone (1006 in the API of browsers).
    Lost,
}

impl<'a> Closed<'a> {
    /// The same without the reason's text, and the text.
    pub(in crate::worker) fn without_reason(self) -> (Closed<'static>, &'a str) {
        let silent = |frame: CloseFrame<'a>| CloseFrame { code: frame.code, reason: "" };
        match self {
            Self::ByPeer(frame) => (Closed::ByPeer(silent(frame)), frame.reason),
            Self::ByUs(frame) => (Closed::ByUs(silent(frame)), frame.reason),
            Self::Failed(error) => (Closed::Failed(error), ""),
            Self::PongTimeout => (Closed::PongTimeout, ""),
            Self::MessageTimeout => (Closed::MessageTimeout, ""),
            Self::OutboxOverflow => (Closed::OutboxOverflow, ""),
            Self::BuffersExhausted => (Closed::BuffersExhausted, ""),
            Self::Lost => (Closed::Lost, ""),
        }
    }

    /// The same with a reason's text where it can have one.
    pub(in crate::worker) const fn with_reason(self, reason: &'a str) -> Self {
        match self {
            Self::ByPeer(frame) => Self::ByPeer(CloseFrame { code: frame.code, reason }),
            Self::ByUs(frame) => Self::ByUs(CloseFrame { code: frame.code, reason }),
            other => other,
        }
    }
}

impl From<DecodeError> for Closed<'_> {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Protocol(error) => Self::Failed(error),
            DecodeError::OutOfBuffers => Self::BuffersExhausted,
        }
    }
}
