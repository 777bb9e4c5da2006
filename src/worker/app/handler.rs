//! The application's side of a worker.

use std::convert::Infallible;
use std::time::Duration;

use super::closed::Closed;
use super::conn::Conn;
use super::connecting::Connecting;
use super::handle::Handle;
use super::turn::{Connections, Turn};
use super::verdict::Verdict;
use crate::http::Request;
use crate::worker::table::ConnId;
use crate::ws::Message;
use crate::ws::handshake::refusal_of_plain;

/// What an application does with its connections.
///
/// Every worker has a handler of its own, made in its thread: nothing here is shared, locked or awaited. A call must not
/// block, for all connections of the worker wait meanwhile; what takes long belongs on a thread of the application's, which
/// answers through a [`Handle`].
///
/// ```
/// use throng::{Accept, CloseReason, Conn, Connecting, Handler, Message, Verdict};
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
///             conn.close(CloseReason::Policy, "read what you are sent");
///         }
///     }
/// }
/// ```
pub trait Handler {
    /// What the application keeps of each connection, in the connection's own record: `()` costs nothing, and a few bytes of
    /// plain data little more than themselves. Prefer them to boxes: a million connections have a million.
    type Data;

    /// Whether it accepts connections as [enveloped](crate::Accept::enveloped): a server that has not the memory for messages so long does not
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
