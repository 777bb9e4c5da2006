//! One core.
mod counters;
mod latency;

pub use counters::Stats;
