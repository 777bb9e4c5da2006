//! The floor: a server of throng's shape without WebSocket code, and what it costs.

mod echo;
mod frames;
pub mod measure;
mod schedule;
pub mod server;
mod unsent;
mod worker;

pub use echo::EchoFloor;
pub use server::{FloorServerArgs, FloorStats, Mode, ReadyLine};
