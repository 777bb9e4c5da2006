//! Counts of what a worker costs: one worker over a simulated system that only counts (docs/TESTING.md).
//!
//! The worker and its handler are the real ones. Clients send prepared bytes; the bytes sent to them are counted and discarded. The harness
//! controls the clock, and every run draws the same random numbers, so two runs of one program with the same input execute the same
//! instructions.
//!
//! - `kernel`: the counting system. `os`: the worker's access to it. `calls`: the counts.
//! - `harness`: a server and its clients. `bare`: the minimal server, whose cost is that of the measurement itself.
//!
//! `main.rs` and `scenarios/` are the program `throng-guard`, which drives the harness from outside the library.
#![forbid(unsafe_code)]

mod bare;
mod calls;
mod harness;
mod kernel;
mod os;
#[cfg(test)]
mod tests;

pub use calls::Calls;
pub use harness::{Client, Harness, MeasurementError};
pub use kernel::Script;
