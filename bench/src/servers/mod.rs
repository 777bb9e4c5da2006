//! Servers on this machine: how they are started, and what they and their machine are asked while they run.

pub(crate) mod counts;
pub(crate) mod host;
pub(crate) mod peers;
pub(crate) mod program;
pub(crate) mod reading;
pub(crate) mod running;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::measure::cores::Cores;

/// Any free port of this machine's own.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a server is to do with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// Accept them and nothing else, which only the floor does.
    Accept,
    /// Hold them and ping them; messages come back as well, but are not what it is measured by.
    Hold,
    /// Send messages back.
    Echo,
    /// Send bytes back without a handshake, which only the floor does.
    Raw,
    /// Take messages and answer nothing.
    Sink,
    /// Send what is published to subscribers.
    Hub,
}

/// What is wanted of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a> {
    pub(crate) app: App,
    /// The most connections.
    pub(crate) connections: u64,
    /// The interval of Pings, and how long a Pong may take; `None` for no Pings.
    pub(crate) pings: Option<(Duration, Duration)>,
    /// Whether it compresses: `off`, `shared` or `dedicated`; `None` for its own choice.
    pub(crate) compression: Option<&'a str>,
    /// Threads with an event loop; `None` for its own choice.
    pub(crate) workers: Option<usize>,
    pub(crate) listen: SocketAddr,
    /// Where it is to run; `None` for anywhere.
    pub(crate) cores: Option<Cores>,
    /// More options of throng's.
    pub(crate) options: &'a [String],
}

impl Want<'_> {
    /// Room for so many connections, without Pings and compression.
    pub(crate) const fn of(app: App, connections: u64) -> Self {
        Self {
            app,
            connections,
            pings: None,
            compression: Some("off"),
            workers: None,
            listen: LOOPBACK,
            cores: None,
            options: &[],
        }
    }

    pub(super) fn compresses(&self) -> bool {
        self.compression.is_some_and(|compression| compression != "off")
    }
}
