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
    job: Job,
}

/// What is done.
enum Job {
    Echo(Echoes),
    /// The same without a server.
    Itself(Echoes),
    Handshakes(fn() -> Vec<u8>),
    Visits(fn() -> Vec<u8>),
    Pings,
    /// With so many messages at a time.
    Broadcast(usize),
    HoldIdle,
    HoldEchoed,
    HoldSubscribed,
}

impl Scenario {
    pub(crate) fn run(&self, count: u64) -> Outcome {
        match self.job {
            Job::Echo(echoes) => echo(echoes, count),
            Job::Itself(echoes) => measure_itself(echoes, count),
            Job::Handshakes(request) => handshakes(&request(), count),
            Job::Visits(request) => visits(&request(), count),
            Job::Pings => pings(count),
            Job::Broadcast(together) => broadcast(together, count),
            Job::HoldIdle => clients(false, count),
            Job::HoldEchoed => clients(true, count),
            Job::HoldSubscribed => subscribers(count),
        }
    }

    /// A line for `scripts/guard`.
    pub(crate) fn describe(&self) -> Value {
        let measures = match self.job {
            Job::HoldIdle | Job::HoldEchoed | Job::HoldSubscribed => "memory",
            Job::Itself(_) => "itself",
            _ => "costs",
        };
        json!({ "name": self.name, "what": self.what, "count": self.count, "measures": measures })
    }
}

const fn scenario(name: &'static str, count: u64, job: Job, what: &'static str) -> Scenario {
    Scenario { name, what, count, job }
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
    scenario("echo-20x1", 100, Job::Echo(binary(64, 1, 20)), "an echo of 20 B, one at a time on each of 64 connections"),
    scenario("echo-20x16", 20, Job::Echo(binary(64, 16, 20)), "an echo of 20 B, 16 at a time on each of 64 connections"),
    scenario("echo-20x16-text", 20, Job::Echo(text(64, 16, 20)), "an echo of 20 B of text, 16 at a time on each of 64 connections"),
    scenario("echo-512x1", 100, Job::Echo(binary(64, 1, 512)), "an echo of 512 B, one at a time on each of 64 connections"),
    scenario("echo-16Kx1", 20, Job::Echo(binary(64, 1, KIB16)), "an echo of 16 KiB, one at a time on each of 64 connections"),
    scenario("echo-16Kx1-text", 10, Job::Echo(text(64, 1, KIB16)), "an echo of 16 KiB of text, one at a time on each of 64 connections"),
    scenario("echo-16Kx16", 2, Job::Echo(binary(64, 16, KIB16)), "an echo of 16 KiB, 16 at a time on each of 64 connections"),
    scenario("echo-1Mx1", 3, Job::Echo(binary(4, 1, MIB)), "an echo of 1 MiB, one at a time on each of 4 connections"),
    scenario("handshake-small", 10, Job::Handshakes(small), "a handshake with a request of 153 B, 64 at a time"),
    scenario("handshake-browser", 10, Job::Handshakes(browser_request), "a handshake with a browser's request of 530 B, 64 at a time"),
    scenario("visit-small", 10, Job::Visits(small), "a handshake with a request of 153 B and a Close, 64 at a time"),
    scenario("visit-browser", 10, Job::Visits(browser_request), "a handshake with a browser's request of 530 B and a Close, 64 at a time"),
    scenario("ping", 2, Job::Pings, "a Ping, its Pong and the timers of both, with 4,096 connections"),
    scenario("broadcast-1", 10, Job::Broadcast(1), "a delivery of 64 B to one of 1,024 subscribers, one message at a time"),
    scenario("broadcast-16", 2, Job::Broadcast(16), "a delivery of 64 B to one of 1,024 subscribers, 16 messages at a time"),
    scenario("held-idle", 1, Job::HoldIdle, "a connection that is held and has never spoken"),
    scenario("held-echoed", 1, Job::HoldEchoed, "a connection that is held and has had an echo"),
    scenario("held-subscribed", 1, Job::HoldSubscribed, "a connection that is held and subscribes to a topic"),
    scenario("bare-20x1", 100, Job::Itself(binary(64, 1, 20)), "what the measuring itself takes of echo-20x1"),
    scenario("bare-20x16", 20, Job::Itself(binary(64, 16, 20)), "what the measuring itself takes of echo-20x16"),
    scenario("bare-16Kx1", 20, Job::Itself(binary(64, 1, KIB16)), "what the measuring itself takes of echo-16Kx1"),
];
