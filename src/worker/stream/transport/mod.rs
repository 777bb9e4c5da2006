//! How the bytes of connections pass through their sockets.
//!
//! - `seam`: what a transport does: the trait, and what its functions return.
//! - `plain`: bytes as they are. `records`: records, for tests.
//! - `transports`: those of a worker; the tag in a connection's record says which is the connection's.

mod plain;
#[cfg(test)]
pub(in crate::worker) mod records;
mod seam;
mod transports;

pub(super) use seam::{Link, Sent};
pub(in crate::worker) use seam::{Next, Received};
pub(super) use transports::Transports;
