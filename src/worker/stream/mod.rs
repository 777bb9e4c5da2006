//! The bytes of connections: where they are received, and what of them and of what handlers send leaves.
//!
//! - `streams`: all of them, with what they share. `receive`: the one buffer that a worker receives in; `reply`, `deferred`: what leaves from
//!   there.
//! - `compression`: what messages pass through where a connection agreed on that.
//! - `write`, `send`: output that is queued, and the system calls for it.

pub(super) mod compression;
mod deferred;
mod receive;
mod reply;
mod send;
mod streams;
mod write;

pub(super) use deferred::DeferredReply;
pub(super) use reply::Reply;
pub(super) use send::send_bytes;
pub(super) use streams::Streams;
pub(super) use write::has_other_output;
