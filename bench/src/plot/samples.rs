//! A run as it was seen over time.

use serde::{Deserialize, Serialize};

/// A run over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// What was run, for people.
    pub title: String,
    /// Stretches of it that have a name.
    pub phases: Vec<Phase>,
    /// What was seen, in the order of time.
    pub samples: Vec<Sample>,
}

/// A stretch of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What happens in it: `ramp`, `hold`, `close`.
    pub name: String,
    /// When it begins, in seconds on the samples' clock.
    pub from: f64,
    /// When it ends.
    pub to: f64,
}

/// One look at the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in seconds since the run began.
    pub seconds: f64,
    /// Connections that are open.
    pub connections: u64,
    /// User memory of the server's process, in bytes.
    pub server_user_bytes: u64,
    /// User memory of the client's process, in bytes. `None` where it is on another machine.
    pub client_user_bytes: Option<u64>,
    /// The kernel's slabs in bytes, of all ends on the machine, over what they were at the start. `None` without root.
    pub kernel_bytes: Option<i64>,
    /// Processor time that the server used since the sample before, in cores.
    pub server_cores: f64,
    /// The same of the client.
    pub client_cores: Option<f64>,
    /// The same of the whole machine, every program and the kernel.
    pub machine_cores: f64,
}
