//! The byte streams of connections: input that is received, and output that is written or queued.
//!
//! - `streams`: the streams of a worker, with what they share. `receive`: the one buffer that a worker receives in; `input`: receiving;
//!   `reply`, `deferred`: output that leaves from that buffer. `listener`: how connections begin.
//! - `compression`: compression of messages. `transport`: how bytes pass through sockets.
//! - `output`, `socket_writer`: queued output, and the system calls that write. `output_progress`: how much of it the peer takes.
//! - `late_close`, `message_deadline`: deadlines that depend on the bytes of a stream alone.

pub(super) mod compression;
mod deferred;
mod input;
mod late_close;
mod listener;
mod message_deadline;
mod output;
mod output_progress;
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
