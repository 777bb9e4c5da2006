//! What a worker costs, counted: one worker over a system that does nothing but count (docs/TESTING.md).
//!
//! The worker and its handler are the real ones. Clients send prepared bytes; what they are sent is counted and forgotten. The
//! harness owns the clock, and every run draws the same random numbers, so two runs of one program with the same input take the same
//! instructions.
//!
//! - `kernel`: the counting system. `os`: the worker's access to it. `calls`: the counts.
//! - `harness`: a server and its clients. `bare`: the least server, which shows what the measuring itself costs.
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
