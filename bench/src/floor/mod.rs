//! The floor: a server of throng's shape without WebSocket code, and what it costs.

mod cast;
mod echo;
mod frames;
pub mod measure;
mod messages;
mod replies;
mod schedule;
pub mod server;
mod unsent;
mod worker;

pub(crate) use cast::line as send_line;
pub use echo::EchoFloor;
pub use server::{FloorServerArgs, FloorStats, Mode, ReadyLine};
