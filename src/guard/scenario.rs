//! The scenarios: what is done, and how often it is worth doing.

use std::error::Error;

use serde_json::{Value, json};

use crate::broadcast::broadcast;
use crate::clients::{browser_request, small_request};
use crate::echo::{Echoes, Kind, echo, measure_itself};
use crate::figures::Figures;
use crate::handshake::{handshakes, visits};
use crate::held::{clients, subscribers};
use crate::pings::pings;

/// What can go wrong with a run: the server did not do what it should.
pub(crate) type Outcome = Result<Figures, Box<dyn Error>>;

/// Something to do to a server again and again.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What an operation is.
    what: &'static str,
    /// How often to do it, so that a run is long beside its noise and short under valgrind.
    count: u64,
    pub(crate) run: fn(u64) -> Outcome,
}

impl Scenario {
    pub(crate) fn describe(&self) -> Value {
        json!({ "name": self.name, "what": self.what, "count": self.count })
    }
}

const fn scenario(name: &'static str, count: u64, what: &'static str, run: fn(u64) -> Outcome) -> Scenario {
    Scenario { name, what, count, run }
}

/// `count` times a message, or messages, of each of so many connections.
const fn binary(connections: usize, depth: usize, bytes: usize) -> Echoes {
    Echoes { kind: Kind::Binary, connections, depth, bytes }
}

const fn text(connections: usize, depth: usize, bytes: usize) -> Echoes {
    Echoes { kind: Kind::Text, connections, depth, bytes }
}

const KB16: usize = 16 << 10;
const MB: usize = 1 << 20;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("echo-20x1", 100, "an echo of 20 B, one at a time on each of 64 connections", |count| {
        echo(binary(64, 1, 20), count)
    }),
    scenario("echo-20x16", 20, "an echo of 20 B, 16 at a time on each of 64 connections", |count| {
        echo(binary(64, 16, 20), count)
    }),
    scenario("echo-20x16-text", 20, "the same as text", |count| echo(text(64, 16, 20), count)),
    scenario("echo-512x1", 100, "an echo of 512 B, one at a time on each of 64 connections", |count| {
        echo(binary(64, 1, 512), count)
    }),
    scenario("echo-16Kx1", 20, "an echo of 16 KiB, one at a time on each of 64 connections", |count| {
        echo(binary(64, 1, KB16), count)
    }),
    scenario("echo-16Kx1-text", 10, "the same as text", |count| echo(text(64, 1, KB16), count)),
    scenario("echo-16Kx16", 2, "an echo of 16 KiB, 16 at a time on each of 64 connections", |count| {
        echo(binary(64, 16, KB16), count)
    }),
    scenario("echo-1Mx1", 3, "an echo of 1 MiB, one at a time on each of 4 connections", |count| {
        echo(binary(4, 1, MB), count)
    }),
    scenario("handshake-small", 10, "a handshake with a request of 150 bytes, 64 at a time", |count| {
        handshakes(&small_request("/"), count)
    }),
    scenario("handshake-browser", 10, "a handshake with a browser's request, 64 at a time", |count| {
        handshakes(&browser_request(), count)
    }),
    scenario("visit-small", 10, "such a handshake, and a Close", |count| visits(&small_request("/"), count)),
    scenario("visit-browser", 10, "such a handshake, and a Close", |count| visits(&browser_request(), count)),
    scenario("ping", 2, "a Ping, its Pong and all timers of a cycle, of one of 4,096 clients", pings),
    scenario("broadcast-1", 10, "a delivery to one of 1,024 subscribers, one message at a time", |count| {
        broadcast(1, count)
    }),
    scenario("broadcast-16", 2, "a delivery to one of 1,024 subscribers, 16 messages at a time", |count| {
        broadcast(16, count)
    }),
    scenario("held-idle", 1, "a connection held that has never spoken", |count| clients(false, count)),
    scenario("held-echoed", 1, "a connection held that has had an echo", |count| clients(true, count)),
    scenario("held-subscribed", 1, "a connection held that subscribes to a topic", subscribers),
    scenario("bare-20x1", 100, "what the measuring itself costs of echo-20x1", |count| {
        measure_itself(binary(64, 1, 20), count)
    }),
    scenario("bare-20x16", 20, "what the measuring itself costs of echo-20x16", |count| {
        measure_itself(binary(64, 16, 20), count)
    }),
    scenario("bare-16Kx1", 20, "what the measuring itself costs of echo-16Kx1", |count| {
        measure_itself(binary(64, 1, KB16), count)
    }),
];
