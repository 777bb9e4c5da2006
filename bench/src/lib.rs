//! The load generator and measurements of throng: what the `throng-bench` program is made of.
//!
//! - [`swarm`] is the engine: threads of clients with an event loop each.
//! - [`hold`], [`idle`], [`echo`], [`connect`], [`broadcast`], [`floor`], [`compare`], [`c1m`] and [`churn`] are the commands, one module each.
//! - [`agent`] is the server's side of a measurement whose clients are on other machines, [`host`] that of any.
//! - [`merge`] puts the reports of several load machines together.
//! - [`linux`] reads what the system tells about memory and processor time.

pub mod agent;
pub mod args;
pub mod broadcast;
pub mod c1m;
mod child;
pub mod churn;
pub mod compare;
pub mod connect;
mod cores;
pub mod distribution;
#[cfg(test)]
mod documented;
pub mod echo;
pub mod figures;
pub mod floor;
pub mod hold;
pub mod host;
pub mod idle;
pub mod interrupt;
pub mod linux;
pub mod merge;
pub mod output;
pub mod percentiles;
pub mod plot;
pub mod progress;
pub mod results;
pub mod server;
pub mod sources;
pub mod swarm;
pub mod target;
pub mod threads;
pub mod watch;
