//! The loop of a worker. Nobody below imports this room.
//!
//! - `worker`: the loop and its phases; `schedule`: when the worker has something to do without input.
//! - `acceptor`, `accept`, `group`: new connections, and the group of workers that get them.
//! - `commands`: the mail of other threads. `drain`: the end.
//! - `inspect`: what a worker holds; `alone`: a worker by itself. Both are for tests and measurements.

mod accept;
pub(super) mod acceptor;
#[cfg(any(test, feature = "simulation", feature = "guard"))]
mod alone;
mod commands;
mod drain;
mod group;
#[cfg(any(test, feature = "simulation"))]
pub(super) mod inspect;
mod schedule;
pub(super) mod worker;
