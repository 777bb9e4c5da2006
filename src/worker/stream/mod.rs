//! The byte streams of connections: input that is received, and output that is written or queued.
//!
//! - `streams`: the streams of a worker, with what they share. `receive`: the one buffer that a worker receives in; `input`: receiving;
//!   `reply`, `deferred`: output that leaves from that buffer. `listener`: how connections begin.
//! - `compression`: compression of messages. `transport`: how bytes pass through sockets.
//! - `output`, `socket_writer`: queued output, and the system calls that write.

pub(super) mod compression;
mod deferred;
mod input;
mod listener;
mod output;
mod receive;
mod reply;
mod socket_writer;
mod streams;
pub(super) mod transport;

pub(super) use deferred::DeferredReply;
pub(crate) use listener::{ListenerOptions, PreambleError};
pub(super) use output::has_other_output;
pub(super) use reply::Reply;
pub(super) use socket_writer::SocketWriter;
pub(super) use streams::Streams;
pub(super) use transport::{ReadState, Received};
