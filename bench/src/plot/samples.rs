//! A run as it was seen over time.

use serde::{Deserialize, Serialize};

/// A run over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// What was run, for people.
    pub(crate) title: String,
    /// Stretches of it that have a name.
    pub(crate) phases: Vec<Phase>,
    /// What was seen, in the order of time.
    pub(crate) samples: Vec<Sample>,
}

/// A stretch of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// What happens in it: `ramp`, `hold`, `close`.
    pub(crate) name: String,
    /// When it begins, in seconds on the samples' clock.
    pub(crate) from: f64,
    /// When it ends.
    pub(crate) to: f64,
}

/// One look at the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// When, in seconds since the run began.
    pub(crate) seconds: f64,
    /// Connections that are open.
    pub(crate) connections: u64,
    /// User memory of the server's process, in bytes.
    pub(crate) server_user_bytes: u64,
    /// User memory of the client's process, in bytes. `None` where it is on another machine.
    pub(crate) client_user_bytes: Option<u64>,
    /// The kernel's slabs in bytes, of all ends on the machine, over what they were at the start. `None` without root.
    pub(crate) kernel_bytes: Option<i64>,
    /// Processor time that the server used since the sample before, in cores.
    pub(crate) server_cores: f64,
    /// The same of the client.
    pub(crate) client_cores: Option<f64>,
    /// The same of the whole machine, every program and the kernel.
    pub(crate) machine_cores: f64,
}
