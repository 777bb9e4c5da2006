//! One core: an event loop, the connections it holds, and everything that happens to them.
//!
//! The only room that knows mio. A [`Worker`] shares nothing with others but atomics and mailboxes. It reaches the operating
//! system through the [`Os`] trait alone.
//!
//! - `core`: the worker and the phases of an iteration.
//! - `accept`, `group`, `handshake`, `read`, `frames`, `write`, `send`, `close`, `timers`, `mail`: the phases and what they do to a connection.
//! - `compression`: what a connection's messages pass through where it agreed on it.
//! - `last_look`, `message_clock`, `lateness`: what is read before a deadline is judged, the time that a message has, and what is put off when
//!   there is too little.
//! - `relief`: who gives way when buffer memory is used up.
//! - `visits`, `meter`: who is read from, and how much is done for one of them before others have their turn. `schedule`: what a worker does of itself.
//! - `stream`: where input is received, and what leaves from there. `deferring`: what of that waits for others.
//! - `table`: what is kept of connections, and when it is due. `connections`: what is looked up there most.
//! - `keepalive`, `cadence`, `ping`, `late_pong`, `late_close`: when peers are pinged, with what, and how long an answer to that or to a Close may take.
//! - `handler`, `conn`, `handle`, `id`: what the application sees.
//! - `turn`, `batch`, `push`, `prepared`: its turn, in which it sends messages to many.
//! - `mailbox`, `shared`, `counters`, `latency`: what other threads see; `notice`: what the log is told by way of one of them.
//! - `os`, `linux`: the operating system.
//! - `inspect`, `alone`: what a worker holds, and one by itself, for the simulation.

mod accept;
#[cfg(any(test, feature = "simulation", feature = "metering"))]
mod alone;
mod batch;
mod cadence;
mod close;
mod commands;
mod compression;
mod conn;
mod connections;
mod core;
mod counters;
mod deferring;
mod drain;
mod frames;
mod group;
mod handle;
mod handler;
mod handshake;
#[cfg(any(test, feature = "simulation"))]
mod inspect;
mod keepalive;
mod last_look;
mod late_close;
mod late_pong;
mod lateness;
mod limits;
mod linux;
mod mail;
mod mailbox;
mod message_clock;
mod meter;
mod notice;
mod os;
mod ping;
mod prepared;
mod push;
mod read;
mod relief;
mod schedule;
mod sessions;
mod shared;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod turn;
mod visits;
mod write;

pub use batch::{Batch, Pushed, SlowPolicy};
pub use conn::{Conn, SendError};
pub use counters::Stats;
pub use handle::Handle;
pub use handler::{Accept, Closed, Context, Handler};
pub use limits::PingPolicy;
pub use prepared::PreparedMessage;
pub use table::ConnId;
pub use turn::{Connections, Turn};

pub(crate) use accept::Listening;
pub(crate) use core::{Assembly, Worker};
pub(crate) use limits::{Budgets, Deflation, Limits};
pub(crate) use linux::{Linux, listen_for_clients};
pub(crate) use mailbox::{Inbox, Wake};
pub(crate) use meter::Allowance;
pub(crate) use notice::Notice;
pub(crate) use shared::Shared;
#[cfg(feature = "hub")]
pub(crate) use {prepared::message_of, table::Frame};

#[cfg(any(test, feature = "simulation", feature = "metering"))]
pub(crate) use os::{Os, Output, Ready, Token};
#[cfg(feature = "simulation")]
pub(crate) use shared::Stage;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use {
    counters::Counters,
    inspect::Glimpse,
    table::{Flags, State},
};
