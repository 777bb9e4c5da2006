//! Metrics: tables of what is counted. One entry for each metric gives the counter, the value that is read, the sum over workers, its key
//! in JSON, its name and text in the OpenMetrics format, and its row in docs/METRICS.md.
//!
//! - [`Stats`]: what workers count. `HubStats`, with the feature `hub`: what the hub counts.
//! - [`Snapshot`]: values that were read, with the table that describes them.
//! - [`Exposition`]: snapshots as text for Prometheus and others that read OpenMetrics.
#![forbid(unsafe_code)]

#[cfg(feature = "hub")]
mod hub;
mod openmetrics;
mod table;
#[cfg(test)]
mod tests;
mod worker;

#[cfg(feature = "hub")]
pub use hub::HubStats;
pub use openmetrics::{CONTENT_TYPE, Exposition};
pub use table::{Kind, Metric, Snapshot, Unit, Value};
pub use worker::Stats;

#[cfg(feature = "hub")]
pub(crate) use hub::HubCounters;
pub(crate) use worker::Counters;
