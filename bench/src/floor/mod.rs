//! The floor: a server of throng's shape without WebSocket code, and what it costs.

mod frames;
pub mod measure;
mod schedule;
pub mod server;
mod unsent;
mod worker;

pub use server::{FloorServerArgs, FloorStats, Mode, ReadyLine};
