//! A request, as the handler sees it that decides on it.

use std::fmt;
use std::net::SocketAddr;

use super::conn::Peer;
use crate::http::Request;
use crate::worker::table::ListenerIndex;

/// A client that connects: what it asks for, and what is known of it.
pub struct Connecting<'a> {
    request: Request<'a>,
    peer: &'a dyn Peer,
    listener: ListenerIndex,
    transport: Transport,
}

/// What the bytes of a connection pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// They travel as they are.
    Plain,
}

impl<'a> Connecting<'a> {
    pub(in crate::worker) const fn new(
        request: Request<'a>,
        peer: &'a dyn Peer,
        listener: ListenerIndex,
    ) -> Self {
        Self { request, peer, listener, transport: Transport::Plain }
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
}

impl fmt::Debug for Connecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("request", &self.request).finish_non_exhaustive()
    }
}
