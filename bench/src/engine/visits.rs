//! Who comes to which slot of a thread, when, and how it leaves: what the commands that open connections differ in.

use std::io;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// A place for one connection after the other; its index among those of its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The slot with this index.
    pub(crate) fn of(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One iteration of a thread's loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) now: Instant,
    /// When the engine began to open connections.
    pub(crate) started: Instant,
    /// Whether all connections are to leave, and none comes any more.
    pub(crate) is_ending: bool,
}

/// Which connection begins next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    /// The one in this slot, which must be free, and when it should have.
    Begin { slot: Slot, planned: Option<Instant> },
    /// None before then.
    At(Instant),
    /// None before another one has ended.
    Nothing,
}

/// How a connection ends without a closing handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// With the end of the stream, as when a program exits.
    Fin,
    /// With a reset, as when a machine has forgotten the connection.
    Reset,
}

/// How long a connection stays once it is open.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stay {
    /// Until all are to leave.
    On,
    Until(Instant),
}

/// How a connection leaves.
#[derive(Debug)]
pub(crate) enum Leave {
    /// With a closing handshake; a bare connection with a reset.
    Close,
    Now(Hangup),
    /// Sends this, neither reads nor writes for some time, and hangs up.
    Silent {
        say: Vec<u8>,
        time: Duration,
        then: Hangup,
    },
}

/// How much of its upgrade request a connection sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Whole,
    /// A share of it from 0 to 1. Then it is silent for some time, and hangs up.
    Part {
        share: f64,
        time: Duration,
        then: Hangup,
    },
}

/// A share of `len`, from 0 to 1 but never all of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths far below 2^52, shares from 0 to 1"
)]
pub(crate) fn part_of(share: f64, len: usize) -> usize {
    ((len as f64 * share) as usize).min(len.saturating_sub(1))
}

/// How a connection ended, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    /// It could not even be begun.
    NotBegun(&'a io::Error, &'a str),
    /// It did not open.
    Failed(&'a str),
    /// It had not opened when all were to leave.
    GivenUp,
    /// The server ended it.
    Lost(&'a str),
    /// It has hung up.
    Left,
    /// By a closing handshake.
    Closed,
    /// Its closing handshake went wrong.
    Unclean(&'a str),
}

/// Decides for one thread of an engine.
pub(crate) trait Visits: 'static {
    /// What it counts beside the engine's own counts.
    type Tally: for<'a> AddAssign<&'a Self::Tally> + Clone + Default + Send + 'static;

    /// Which connection begins next. It is asked while there is room for one that opens.
    fn next(&mut self, turn: &Turn) -> Next;

    /// The number of the connection in a slot among those of all threads, by which addresses and paths are taken in turn.
    fn number(&self, slot: Slot) -> usize;

    /// A connection has opened.
    fn opened(&mut self, slot: Slot, turn: &Turn) -> Stay;

    /// An open connection's time is over, or all are to leave.
    fn due(&mut self, slot: Slot, turn: &Turn) -> Leave;

    /// A connection has ended: its slot is free.
    fn ended(&mut self, slot: Slot, end: End<'_>, turn: &Turn);

    /// What it has counted so far.
    fn tally(&self) -> Self::Tally;

    /// How much of its upgrade request the connection in a slot sends.
    fn request(&self, _slot: Slot) -> Request {
        Request::Whole
    }

    /// A connection has sent the part of its request that it sends.
    fn broken_off(&mut self, _slot: Slot) {}

    /// Whether a connection that opens now counts, and the time it took.
    fn is_measured(&self, _turn: &Turn) -> bool {
        true
    }

    /// Whether a connection that did not open, and ended so, is counted as failed.
    fn is_failure(&self, _end: &End<'_>) -> bool {
        true
    }
}
