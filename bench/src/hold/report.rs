//! What a hold came to.

use serde::{Deserialize, Serialize};

use crate::engine::{Echoed, Opening, Outcome};
use crate::measure::watch::ServerCosts;

/// What a hold came to. The names of its fields in JSON are stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldReport {
    /// Connections that were to be opened.
    pub(crate) connections: u64,
    /// Threads that held them.
    pub(crate) threads: usize,
    /// Whether each thread had a descriptor table of its own.
    pub(crate) private_tables: bool,
    /// Whether connections were bare TCP.
    pub(crate) raw: bool,
    /// Source addresses in use.
    pub(crate) sources: usize,
    /// The seed of masking keys and nonces.
    pub(crate) seed: u64,
    /// How the opening went.
    #[serde(flatten)]
    pub(crate) opening: Opening,
    /// Seconds from the end of the ramp to the beginning of the close.
    pub(crate) held_seconds: f64,
    /// Messages that came back, if they were sent.
    pub(crate) probe: Option<Echoed>,
    /// How everything went afterwards.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// What the server's processes took, if they were watched.
    pub(crate) server: Option<ServerCosts>,
}
