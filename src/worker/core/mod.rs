//! The event loop of a worker. No lower module imports this one.
//!
//! - `worker`: the loop and its phases; `schedule`: what the worker has to do without input.
//! - `acceptor`, `accept`, `group`: new connections, and the group of workers that get them.
//! - `commands`: the mail of other threads. `drain`: the end.
//! - `inspect`: the state of a worker; `standalone`: a worker without a server. Both are for tests and measurements.

mod accept;
pub(super) mod acceptor;
mod commands;
mod drain;
mod group;
#[cfg(any(test, feature = "simulation"))]
pub(super) mod inspect;
mod schedule;
#[cfg(any(test, feature = "simulation", feature = "guard"))]
mod standalone;
pub(super) mod worker;
