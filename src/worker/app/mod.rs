//! The application's side of a worker: what its handler sees, and what other threads do.
//!
//! - `application`: a worker's handler. `handler`: the trait; `connecting`: a request that it decides on, `verdict`: how, and `decision`: later; `conn`: a connection
//!   during a call; `turn`: all of them, once in each iteration; `part`: with a part of their data.
//! - `batch`, `prepared`, `pass`: messages to many.
//! - `handle`, `mailbox`: what other threads want. `shared`: what all workers and threads share; `notice`: what the log is told.

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
pub(super) mod pass;
pub(super) mod prepared;
pub(super) mod shared;
pub(super) mod turn;
pub(super) mod verdict;
