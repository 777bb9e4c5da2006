//! A run as it was seen over time.

use serde::{Deserialize, Serialize};

/// A run over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) title: String,
    pub(crate) phases: Vec<Phase>,
    pub(crate) samples: Vec<Sample>,
}

/// A stretch of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// One look at the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) connections: u64,
    pub(crate) server_user_bytes: u64,
    pub(crate) client_user_bytes: Option<u64>,
    pub(crate) kernel_bytes: Option<i64>,
    pub(crate) server_cores: f64,
    pub(crate) client_cores: Option<f64>,
    pub(crate) machine_cores: f64,
}
