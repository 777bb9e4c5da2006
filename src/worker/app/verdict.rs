//! What a handler says to a request.

use std::convert::Infallible;

use crate::http::{Refusal, Response};

/// What a handler says to a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Verdict<D> {
    /// The WebSocket that the request asks for is opened.
    Accept(Accept<D>),
    /// A plain HTTP response. The connection may be used for another request, unless the response or the request ends it.
    Respond(Response),
    /// A response that ends the connection. It counts as a refused request ([`Stats::refused_requests`](crate::Stats::refused_requests)), or
    /// with the status 503 as one at a limit, and the log tells of it at the level `debug`.
    Refuse(Response),
    /// The request is decided on later: what [`Connecting::later`](crate::Connecting::later) returns.
    Later(Later),
}

/// That a request is decided on later.
#[derive(Debug, PartialEq, Eq)]
pub struct Later {
    /// The number of the decision.
    number: u64,
}

impl Later {
    pub(super) const fn new(number: u64) -> Self {
        Self { number }
    }

    pub(in crate::worker) const fn number(&self) -> u64 {
        self.number
    }
}

impl<D> Verdict<D> {
    /// The same verdict, with other data kept with the connection where it is accepted: for a handler that adds data to those of another.
    pub fn map<E>(self, add: impl FnOnce(D) -> E) -> Verdict<E> {
        match self {
            Self::Accept(Accept { data, subprotocol, compression, enveloped }) => {
                Verdict::Accept(Accept { data: add(data), subprotocol, compression, enveloped })
            }
            Self::Respond(response) => Verdict::Respond(response),
            Self::Refuse(response) => Verdict::Refuse(response),
            Self::Later(later) => Verdict::Later(later),
        }
    }
}

impl Verdict<Infallible> {
    /// The verdict on a plain request, which accepts nothing, as one on any request.
    pub fn widen<D>(self) -> Verdict<D> {
        self.map(|never| match never {})
    }
}

impl<D> From<Accept<D>> for Verdict<D> {
    fn from(accept: Accept<D>) -> Self {
        Self::Accept(accept)
    }
}

impl<D> From<Refusal> for Verdict<D> {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal.into())
    }
}

impl<D> From<Result<Accept<D>, Refusal>> for Verdict<D> {
    fn from(result: Result<Accept<D>, Refusal>) -> Self {
        result.map_or_else(Self::from, Self::from)
    }
}

/// A handler's consent to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept<D> {
    pub(crate) data: D,
    pub(crate) subprotocol: Option<String>,
    pub(crate) compression: bool,
    pub(crate) enveloped: bool,
}

impl<D> Accept<D> {
    /// Accepts, keeping `data` with the connection.
    pub const fn new(data: D) -> Self {
        Self { data, subprotocol: None, compression: true, enveloped: false }
    }

    /// Chooses a subprotocol, which must be one that the request offers: another one is not sent, since the client would have
    /// to fail the connection (RFC 6455, section 4.1).
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Lets this connection's messages be longer than [`Config::max_message`](crate::Config::max_message), by what a text makes of a
    /// payload that it wraps: six times as long, as JSON writes control characters, and 4 KiB more. It is the handler then that holds
    /// payloads to the limit. For handlers that [say so](crate::Handler::ENVELOPES).
    #[must_use]
    pub const fn enveloped(mut self) -> Self {
        self.enveloped = true;
        self
    }

    /// Leaves the messages of this connection uncompressed, whatever the client offers and the server is set to: for those that
    /// carry secrets beside what a stranger can choose, whose lengths would tell of them (as in CRIME and BREACH, RFC 7692-8-1).
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compression = false;
        self
    }
}
