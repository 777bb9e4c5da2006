//! The loop of a worker. Nobody below imports this room.
//!
//! - `worker`: the loop and its phases; `schedule`: what it does of itself, and when.
//! - `acceptor`, `accept`, `group`: new connections, and the workers that they are spread over. `commands`: what other threads want. `drain`: the end.
//! - `inspect`, `alone`: what a worker holds, and one by itself, for the simulation.

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
