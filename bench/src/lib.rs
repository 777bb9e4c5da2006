//! The load generator and measurements of throng: what the `throng-bench` program is made of.
//!
//! - [`swarm`] is the engine: threads of clients with an event loop each.
//! - [`hold`] and [`floor`] are the commands, one module each.

pub mod args;
pub mod floor;
pub mod hold;
pub mod interrupt;
pub mod percentiles;
pub mod progress;
pub mod sources;
pub mod swarm;
pub mod target;
pub mod threads;
