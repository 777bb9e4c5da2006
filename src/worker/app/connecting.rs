//! A request, as the handler sees it that decides on it.

use std::fmt;
use std::net::SocketAddr;

use super::conn::Peer;
use super::decision::{Decision, Decisions, Learnt};
use super::verdict::{Later, Verdict};
use crate::http::{Refusal, Request, Status};
use crate::worker::table::{ConnId, ListenerIndex};

/// A client that connects: what it asks for, and what is known of it.
pub struct Connecting<'a> {
    request: Request<'a>,
    peer: &'a dyn Peer,
    listener: ListenerIndex,
    transport: Transport,
    /// What a decision has brought.
    learnt: Option<Learnt>,
    later: MayDecideLater<'a>,
}

/// Whether a request may be decided on later.
pub(in crate::worker) enum MayDecideLater<'a> {
    /// It may, if there is a place for it.
    Yes(ConnId, &'a mut Decisions),
    /// It was decided on later: now is later.
    NotAgain,
    /// The server is full or ends.
    NotNow,
}

/// What the bytes of a connection pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// They travel as they are.
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
        peer: &'a dyn Peer,
        listener: ListenerIndex,
        learnt: Option<Learnt>,
        later: MayDecideLater<'a>,
    ) -> Self {
        Self { request, peer, listener, transport: Transport::Plain, learnt, later }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> Request<'a> {
        self.request
    }

    /// The peer's address; `None` for a Unix socket. A system call.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer.address()
    }

    /// The number of the listener that the client has come by, from 0, in the order of [`Config::listen`](crate::Config::listen).
    #[must_use]
    pub const fn listener(&self) -> usize {
        self.listener.index()
    }

    /// What its bytes pass through.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Has the request decided on later. `begin` gets what any thread resolves when it has learnt what there is to know; the handler is
    /// then asked about the request again, and finds it with [`take_learnt`](Self::take_learnt).
    ///
    /// The handler returns the verdict that this returns. Meanwhile the request is kept and the connection is not read from. The decision
    /// has [`Config::decision_timeout`](crate::Config::decision_timeout), and the client no deadline of its own. Where the time is up, and
    /// where the [`Decision`] is dropped, the client gets 503. That its connection ends meanwhile does not matter to the decision.
    ///
    /// Without `begin` being called the verdict is 503 where the worker has 4,096 decisions under way
    /// ([`budget::DECISIONS`](crate::budget::DECISIONS)) and while the server ends, and 500 where the request was put off before.
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
    ///         match connecting.take_learnt::<Option<u32>>() {
    ///             Some(Some(user)) => Accept::new(user).into(),
    ///             Some(None) => Refusal::new(Status::FORBIDDEN, "nobody knows you").into(),
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
                Some(decision) => {
                    let later = Later::new(decision.name().number);
                    begin(decision);
                    Verdict::Later(later)
                }
            },
        }
    }

    /// What the decision on this request has brought, once; `None` where it was not put off, or has brought something of another type.
    pub fn take_learnt<T: 'static>(&mut self) -> Option<T> {
        let learnt = self.learnt.take()?;
        match learnt.downcast() {
            Ok(learnt) => Some(*learnt),
            Err(other) => {
                self.learnt = Some(other);
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
