//! The floor: a server of throng's shape without WebSocket code, and what it costs.

mod args;
mod cast;
mod messages;
mod replies;
mod schedule;
pub(crate) mod server;
mod shared;
mod worker;

pub(crate) use args::FloorServerArgs;
pub(crate) use cast::line as send_line;
