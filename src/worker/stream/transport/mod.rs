//! Transports: how the bytes of connections pass through their sockets.
//!
//! - `seam`: the trait of a transport, and the results of its functions.
//! - `plain`: unencrypted bytes. `records`: records, for tests.
//! - `transports`: the transports of a worker. A tag in each connection's record says which transport it uses.

mod plain;
#[cfg(test)]
pub(in crate::worker) mod records;
mod seam;
mod transports;

pub(super) use seam::{Link, Sent};
pub(in crate::worker) use seam::{Next, Received};
pub(super) use transports::Transports;
