//! What a hold came to.

use serde::{Deserialize, Serialize};

use crate::engine::{Echoed, Opening, Outcome};
use crate::measure::watch::ServerCosts;

/// What a hold came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldReport {
    pub(crate) connections: u64,
    pub(crate) threads: usize,
    pub(crate) private_tables: bool,
    pub(crate) raw: bool,
    pub(crate) sources: usize,
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) opening: Opening,
    pub(crate) held_seconds: f64,
    pub(crate) probe: Option<Echoed>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) server: Option<ServerCosts>,
}
