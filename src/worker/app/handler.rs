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
use crate::ws::handshake::refusal_of_http;

/// An application's event handler for its connections.
///
/// Every worker has a handler of its own, made in its thread: handlers are not shared, locked or awaited. A call must not block, because
/// all connections of the worker wait meanwhile. Do slow work on a thread of the application, which answers through a [`Handle`].
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
    /// The application's data of each connection, kept in the connection's own record: `()` costs nothing, and a few bytes of plain data
    /// cost little more than their size. Prefer plain data to boxes, which cost an allocation per connection.
    type Data;

    /// Whether the handler accepts connections as [enveloped](crate::Accept::enveloped): with messages of six times `max_message` and 4 KiB.
    /// The server plans memory for messages of this length, and does not start where a limit leaves too little. A handler that wraps
    /// another one repeats the constant of the other: without it, clients that the other accepts as enveloped get 500.
    const ENVELOPES: bool = false;

    /// Decides on a request to open a WebSocket. The server has checked the request by RFC 6455, section 4.2.1; checking the `Origin` field
    /// is up to the handler. [Accept](crate::Accept) the request, with one of the [subprotocols that it offers](Request::subprotocols) if
    /// the application has one, or [refuse](Verdict::Refuse) it, or [respond](Verdict::Respond) to it, or decide
    /// [later](Connecting::later).
    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Self::Data>;

    /// Decides on a request that does not ask for a WebSocket. The request may have any method, has one `Host` field, and has no body: the
    /// server takes no bodies, and answers a request with one with 413. Respond to HEAD as to GET: the server leaves the body out.
    ///
    /// The default refuses the request with [`refusal_of_http`](crate::ws::handshake::refusal_of_http): 426 for GET and HEAD, and 405 for
    /// other methods. A handler can do the same for the requests that it does not know:
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use throng::{Accept, Conn, Connecting, Handler, Message, Verdict};
    /// use throng::http::{Response, Status};
    /// use throng::ws::handshake::refusal_of_http;
    ///
    /// # struct Healthy;
    /// # impl Handler for Healthy {
    /// #     type Data = ();
    /// #     fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
    /// #         Accept::new(()).into()
    /// #     }
    /// #     fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
    /// fn request(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Infallible> {
    ///     let request = connecting.request();
    ///     match (request.method(), request.path()) {
    ///         ("GET" | "HEAD", "/health") => {
    ///             Verdict::Respond(Response::new(Status::OK).body("text/plain", "ok\n"))
    ///         }
    ///         _ => refusal_of_http(&request).into(),
    ///     }
    /// }
    /// # }
    /// ```
    fn request(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Infallible> {
        refusal_of_http(&connecting.request()).into()
    }

    /// Handles the opening of a connection, after [`upgrade`](Self::upgrade) has accepted it. Messages may be sent from now on; they follow
    /// the 101 response. `request` is the request that was accepted: copy what must outlive the call.
    fn open(&mut self, conn: &mut Conn<'_, Self::Data>, request: &Request<'_>) {
        let _ = (conn, request);
    }

    /// Handles a whole message. The worker lends it from its receive buffer: copy what must outlive the call.
    fn message(&mut self, conn: &mut Conn<'_, Self::Data>, message: Message<'_>);

    /// Sends last messages on a connection that the server is about to close with 1001, because the server
    /// [drains](crate::Server::drain). Messages sent here leave before the Close frame. Calling [`Conn::close`] here has no effect.
    fn going_away(&mut self, conn: &mut Conn<'_, Self::Data>) {
        let _ = conn;
    }

    /// Handles the end of a connection: no more messages arrive from it or can be sent to it. The worker calls this exactly once for every
    /// opened connection, as soon as either side has closed it or it was lost.
    fn close(&mut self, id: ConnId, data: Self::Data, reason: Closed<'_>) {
        let _ = (id, data, reason);
    }

    /// Runs the handler's turn, once in each iteration of the worker's loop, after the sockets. Send messages to many connections here, and
    /// handle what other threads have left for the handler; those threads [wake](Handle::wake) the worker. Do long work in slices, with
    /// [`Turn::Again`] between them. The returned value says when the next turn is needed; the default is [`Turn::Idle`].
    fn turn(&mut self, connections: &mut Connections<'_, Self::Data>) -> Turn {
        let _ = connections;
        Turn::Idle
    }

    /// Returns how often the worker calls [`tick`](Self::tick); `None` means never. The worker calls this once, when it starts. Values are
    /// clamped to between a millisecond and a week.
    fn tick_interval(&self) -> Option<Duration> {
        None
    }

    /// Handles the end of each interval.
    fn tick(&mut self, worker: &Context<'_>) {
        let _ = worker;
    }
}

/// The worker of a handler, while it makes the handler ([`Builder::start`](crate::Builder::start)) and calls [`Handler::tick`].
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) worker: usize,
    pub(crate) open: usize,
    pub(crate) max_message: usize,
    pub(crate) handle: &'a Handle,
}

impl Context<'_> {
    /// Returns the worker's number, from 0.
    #[must_use]
    pub const fn worker(&self) -> usize {
        self.worker
    }

    /// Returns the number of WebSockets open on this worker.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Returns the most bytes of a received message, or of the payload that an enveloped one wraps:
    /// [`Config::max_message`](crate::Config::max_message).
    #[must_use]
    pub const fn max_message(&self) -> usize {
        self.max_message
    }

    /// Returns a handle to the whole server.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        self.handle
    }
}
