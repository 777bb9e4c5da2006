//! The application's side of a worker: what its handler sees, and what other threads do.
//!
//! - `application`: a worker's handler. `handler`: the trait; `connecting`: a request that it decides on, `verdict`: the decision, and
//!   `decision`: one that is made later; `conn`: a connection during a call; `turn`: all connections, once in each iteration; `part`:
//!   connections with a part of their data; `closed`: why they end.
//! - `batch`, `prepared`, `slices`: messages to many connections.
//! - `handle`, `mailbox`: requests of other threads. `shared`: what all workers and threads share; `notice`: messages for the log.

pub(super) mod application;
pub(super) mod batch;
pub(super) mod closed;
pub(super) mod conn;
pub(super) mod connecting;
pub(super) mod decision;
pub(super) mod handle;
pub(super) mod handler;
pub(super) mod mailbox;
pub(super) mod notice;
mod part;
pub(super) mod prepared;
pub(super) mod shared;
pub(super) mod slices;
pub(super) mod turn;
pub(super) mod verdict;
