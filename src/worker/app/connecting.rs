//! A request as the handler sees it that decides on it.

use std::fmt;
use std::net::SocketAddr;

use super::conn::PeerAddress;
use super::decision::{Decision, DecisionValue, Decisions};
use super::verdict::{Later, Verdict};
use crate::http::{Refusal, Request, Status};
use crate::worker::table::{ConnId, ListenerIndex};

/// A client that connects: its request, and what the server knows about the connection.
pub struct Connecting<'a> {
    request: Request<'a>,
    peer: &'a dyn PeerAddress,
    listener: ListenerIndex,
    transport: Transport,
    /// The result of a decision that was made later.
    decided: Option<DecisionValue>,
    later: MayDecideLater<'a>,
}

/// Whether the decision on a request may be made later.
pub(in crate::worker) enum MayDecideLater<'a> {
    /// The decision may be made later, if there is a place for it.
    Yes(ConnId, &'a mut Decisions),
    /// The decision has already been made later once.
    NotAgain,
    /// The server is full or ends.
    NotNow,
}

/// How the bytes of a connection are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Bytes travel unencrypted.
    Plain,
}

const TOO_MANY: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "too many requests wait for a decision, try again later");
const ENDING: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "the server is full or going down, try again later");
const UNDECIDED: Refusal =
    Refusal::new(Status::INTERNAL_SERVER_ERROR, "the server could not decide on the request");

impl<'a> Connecting<'a> {
    pub(in crate::worker) const fn new(
        request: Request<'a>,
        peer: &'a dyn PeerAddress,
        listener: ListenerIndex,
        decided: Option<DecisionValue>,
        later: MayDecideLater<'a>,
    ) -> Self {
        Self { request, peer, listener, transport: Transport::Plain, decided, later }
    }

    /// Returns the request.
    #[must_use]
    pub const fn request(&self) -> Request<'a> {
        self.request
    }

    /// Returns the peer's address; `None` for a Unix socket. Makes a system call.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer.address()
    }

    /// Returns the number of the listener that accepted the client, from 0, in the order of [`Config::listen`](crate::Config::listen).
    #[must_use]
    pub const fn listener(&self) -> usize {
        self.listener.index()
    }

    /// Returns how the connection's bytes are carried.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Postpones the verdict on this request. Calls `begin` with a [`Decision`], which any thread may resolve with a value. The worker then
    /// calls the handler again with the request, and [`take_resolved`](Self::take_resolved) returns the value.
    ///
    /// The handler must return the verdict that this function returns. Meanwhile the server keeps the request and does not read from the
    /// connection. The decision must be resolved within [`Config::decision_timeout`](crate::Config::decision_timeout); the client has no
    /// other deadline. The client gets 503 when that time is up, when the [`Decision`] is dropped (`begin` may drop it as well),
    /// and when the server ends in order before it is resolved. A decision may still be resolved after its connection has gone; that has no
    /// effect.
    ///
    /// Some requests cannot wait; `begin` is not called for them. The verdict is 503 when the worker has 4,096 decisions under way
    /// ([`budget::DECISIONS`](crate::budget::DECISIONS)) and while the server ends, and 500 when the verdict on this request was postponed before.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use throng::http::{Refusal, Status};
    /// use throng::{Accept, Conn, Connecting, Decision, Handler, Message, Verdict};
    ///
    /// struct Guarded;
    ///
    /// impl Handler for Guarded {
    ///     type Data = u32;
    ///
    ///     fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<u32> {
    ///         match connecting.take_resolved::<Option<u32>>() {
    ///             Some(Some(user)) => Accept::new(user).into(),
    ///             Some(None) => Refusal::new(Status::FORBIDDEN, "unknown user").into(),
    ///             None => connecting.later(|decision: Decision<Option<u32>>| {
    ///                 thread::spawn(move || decision.resolve(Some(7)));
    ///             }),
    ///         }
    ///     }
    ///
    ///     fn message(&mut self, _: &mut Conn<'_, u32>, _: Message<'_>) {}
    /// }
    /// ```
    pub fn later<T: Send + 'static, D>(&mut self, begin: impl FnOnce(Decision<T>)) -> Verdict<D> {
        match &mut self.later {
            MayDecideLater::NotAgain => UNDECIDED.into(),
            MayDecideLater::NotNow => ENDING.into(),
            MayDecideLater::Yes(conn, decisions) => match decisions.begin(*conn) {
                None => TOO_MANY.into(),
                Some((decision, pending)) => {
                    begin(decision);
                    Verdict::Later(Later(pending))
                }
            },
        }
    }

    /// Takes the value that the [`Decision`] on this request was resolved with. Returns `None` where the verdict was not postponed, where the
    /// value has another type, and after the first successful call. The verdict on a request can be postponed once: if a handler that wraps
    /// another one postpones it, the other one cannot.
    pub fn take_resolved<T: 'static>(&mut self) -> Option<T> {
        let decided = self.decided.take()?;
        match decided.downcast() {
            Ok(value) => Some(*value),
            Err(other) => {
                self.decided = Some(other);
                None
            }
        }
    }
}

impl fmt::Debug for Connecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("request", &self.request).finish_non_exhaustive()
    }
}
