//! Metrics: counters, gauges and histograms, defined in tables. One table entry defines a metric's counter, its value in a snapshot, its
//! sum over workers, its key in JSON, its name and text in the OpenMetrics format, and its row in docs/METRICS.md.
//!
//! - [`Stats`]: the metrics of workers. `HubStats`, with the feature `hub`: the metrics of the hub.
//! - [`Snapshot`]: values read at one time, with the table that describes them.
//! - [`Exposition`]: snapshots as text for Prometheus and other readers of OpenMetrics.
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
