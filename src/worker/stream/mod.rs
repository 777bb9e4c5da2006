//! The bytes of connections: where they are received, and what of them and of what handlers send leaves.
//!
//! - `streams`: all of them, with what they share. `receive`: the one buffer that a worker receives in; `reply`, `deferred`: what leaves from
//!   there.
//! - `compression`: what messages pass through where a connection agreed on that.
//! - `write`, `send`: output that is queued, and the system calls for it.

pub(super) mod compression;
mod deferred;
mod input;
mod listener;
mod receive;
mod reply;
mod send;
mod streams;
pub(super) mod transport;
mod write;

pub(super) use deferred::DeferredReply;
pub(crate) use listener::{ListenerOptions, PreambleError};
pub(super) use reply::Reply;
pub(super) use send::Sender;
pub(super) use streams::Streams;
pub(super) use transport::{Next, Received};
pub(super) use write::has_other_output;
