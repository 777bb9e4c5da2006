//! The scenarios: the operation of each, and how often a run repeats it.

mod broadcast;
mod clients;
mod echo;
mod figures;
mod handshake;
mod memory;
mod pings;

use std::error::Error;

use broadcast::broadcast;
use clients::{browser_request, small_request};
use echo::{Echoes, Kind, echo, echo_bare};
use figures::Figures;
use handshake::{handshakes, visits};
use memory::{echoed_clients, idle_clients, subscribers};
use pings::pings;
use serde_json::{Value, json};

/// The figures of a run, or a description of the server's wrong behavior.
pub(crate) type Outcome = Result<Figures, Box<dyn Error>>;

/// A scenario, whose operation a run repeats.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// A description of the operation.
    what: &'static str,
    /// The default number of repetitions: large enough that noise does not matter, small enough for valgrind.
    count: u64,
    operation: Operation,
}

/// The operation that a scenario repeats.
enum Operation {
    Echo(Echoes),
    /// Echoes by the minimal server.
    BareEcho(Echoes),
    Handshakes(fn() -> Vec<u8>),
    Visits(fn() -> Vec<u8>),
    Pings,
    /// A broadcast of this many messages at a time.
    Broadcast(usize),
    IdleMemory,
    EchoedMemory,
    SubscribedMemory,
}

impl Scenario {
    pub(crate) fn run(&self, count: u64) -> Outcome {
        match self.operation {
            Operation::Echo(echoes) => echo(echoes, count),
            Operation::BareEcho(echoes) => echo_bare(echoes, count),
            Operation::Handshakes(request) => handshakes(&request(), count),
            Operation::Visits(request) => visits(&request(), count),
            Operation::Pings => pings(count),
            Operation::Broadcast(together) => broadcast(together, count),
            Operation::IdleMemory => idle_clients(count),
            Operation::EchoedMemory => echoed_clients(count),
            Operation::SubscribedMemory => subscribers(count),
        }
    }

    /// Returns a JSON description for `scripts/guard`.
    pub(crate) fn describe(&self) -> Value {
        let measures = match self.operation {
            Operation::IdleMemory | Operation::EchoedMemory | Operation::SubscribedMemory => "memory",
            Operation::BareEcho(_) => "bare",
            _ => "costs",
        };
        json!({ "name": self.name, "what": self.what, "count": self.count, "measures": measures })
    }
}

const fn scenario(name: &'static str, count: u64, operation: Operation, what: &'static str) -> Scenario {
    Scenario { name, what, count, operation }
}

const fn binary(connections: usize, depth: usize, bytes: usize) -> Echoes {
    Echoes { kind: Kind::Binary, connections, depth, bytes }
}

const fn text(connections: usize, depth: usize, bytes: usize) -> Echoes {
    Echoes { kind: Kind::Text, connections, depth, bytes }
}

fn small() -> Vec<u8> {
    small_request("/")
}

const KIB16: usize = 16 << 10;
const MIB: usize = 1 << 20;

#[rustfmt::skip]
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("echo-20x1", 100, Operation::Echo(binary(64, 1, 20)), "an echo of 20 B, one at a time on each of 64 connections"),
    scenario("echo-20x16", 20, Operation::Echo(binary(64, 16, 20)), "an echo of 20 B, 16 at a time on each of 64 connections"),
    scenario("echo-20x16-text", 20, Operation::Echo(text(64, 16, 20)), "an echo of 20 B of text, 16 at a time on each of 64 connections"),
    scenario("echo-512x1", 100, Operation::Echo(binary(64, 1, 512)), "an echo of 512 B, one at a time on each of 64 connections"),
    scenario("echo-16Kx1", 20, Operation::Echo(binary(64, 1, KIB16)), "an echo of 16 KiB, one at a time on each of 64 connections"),
    scenario("echo-16Kx1-text", 10, Operation::Echo(text(64, 1, KIB16)), "an echo of 16 KiB of text, one at a time on each of 64 connections"),
    scenario("echo-16Kx16", 2, Operation::Echo(binary(64, 16, KIB16)), "an echo of 16 KiB, 16 at a time on each of 64 connections"),
    scenario("echo-1Mx1", 3, Operation::Echo(binary(4, 1, MIB)), "an echo of 1 MiB, one at a time on each of 4 connections"),
    scenario("handshake-small", 10, Operation::Handshakes(small), "a handshake with a request of 153 B, 64 at a time"),
    scenario("handshake-browser", 10, Operation::Handshakes(browser_request), "a handshake with a browser's request of 530 B, 64 at a time"),
    scenario("visit-small", 10, Operation::Visits(small), "a handshake with a request of 153 B and a Close, 64 at a time"),
    scenario("visit-browser", 10, Operation::Visits(browser_request), "a handshake with a browser's request of 530 B and a Close, 64 at a time"),
    scenario("ping", 2, Operation::Pings, "a Ping, its Pong and the timers of both, with 4,096 connections"),
    scenario("broadcast-1", 10, Operation::Broadcast(1), "a delivery of 64 B to one of 1,024 subscribers, one message at a time"),
    scenario("broadcast-16", 2, Operation::Broadcast(16), "a delivery of 64 B to one of 1,024 subscribers, 16 messages at a time"),
    scenario("held-idle", 1, Operation::IdleMemory, "a connection that is held and has never spoken"),
    scenario("held-echoed", 1, Operation::EchoedMemory, "a connection that is held and has had an echo"),
    scenario("held-subscribed", 1, Operation::SubscribedMemory, "a connection that is held and subscribes to a topic"),
    scenario("bare-20x1", 100, Operation::BareEcho(binary(64, 1, 20)), "what the measuring itself takes of echo-20x1"),
    scenario("bare-20x16", 20, Operation::BareEcho(binary(64, 16, 20)), "what the measuring itself takes of echo-20x16"),
    scenario("bare-16Kx1", 20, Operation::BareEcho(binary(64, 1, KIB16)), "what the measuring itself takes of echo-16Kx1"),
];
