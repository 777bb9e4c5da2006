//! A handler's decision on a request.

use std::convert::Infallible;

use super::decision::PendingDecision;
use crate::http::{Refusal, Response};

/// A handler's decision on a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Verdict<D> {
    /// Opens the WebSocket that the request asks for.
    Accept(Accept<D>),
    /// Sends a plain HTTP response. The connection may carry another request, unless the response or the request ends it.
    Respond(Response),
    /// Sends a response and ends the connection. It counts as a refused request
    /// ([`Stats::refused_requests`](crate::Stats::refused_requests)), or with the status 503 as one refused at a limit, and is logged at
    /// the level `debug`.
    Refuse(Response),
    /// Puts the decision off: the verdict that [`Connecting::later`](crate::Connecting::later) returns.
    Later(Later),
}

/// Token for a decision that is made later.
#[derive(Debug, PartialEq, Eq)]
pub struct Later(pub(in crate::worker) PendingDecision);

impl<D> Verdict<D> {
    /// Converts the data of an accepted connection with `add`, for a handler that adds data to those of another handler.
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
    /// Converts the verdict on a plain request, which cannot accept, to one on any request.
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

/// Acceptance of a request, with the options of the new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept<D> {
    pub(crate) data: D,
    pub(crate) subprotocol: Option<String>,
    pub(crate) compression: bool,
    pub(crate) enveloped: bool,
}

impl<D> Accept<D> {
    /// Accepts the request and keeps `data` with the connection.
    pub const fn new(data: D) -> Self {
        Self { data, subprotocol: None, compression: true, enveloped: false }
    }

    /// Chooses a subprotocol. The request must offer it; otherwise the server leaves it out, since the client would have to fail the
    /// connection (RFC 6455, section 4.1).
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Lets this connection's messages be longer than [`Config::max_message`](crate::Config::max_message), for payloads that are wrapped in
    /// a text: six times as long, as JSON escapes control characters, plus 4 KiB. The handler then must hold payloads to the limit itself.
    /// Only for handlers with [`Handler::ENVELOPES`](crate::Handler::ENVELOPES): where that is not set, the client gets 500.
    #[must_use]
    pub const fn enveloped(mut self) -> Self {
        self.enveloped = true;
        self
    }

    /// Leaves the messages of this connection uncompressed, whatever the client offers and the server's setting. For messages that carry
    /// secrets beside text that an attacker can choose: their compressed lengths would leak the secrets (as in CRIME and BREACH,
    /// RFC 7692-8-1).
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compression = false;
        self
    }
}
