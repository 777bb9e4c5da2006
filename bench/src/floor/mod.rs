//! The floor: a server of throng's shape without WebSocket code, and what it costs.

mod cast;
mod messages;
mod replies;
mod schedule;
pub(crate) mod server;
mod worker;

pub(crate) use cast::line as send_line;
pub(crate) use server::FloorServerArgs;
