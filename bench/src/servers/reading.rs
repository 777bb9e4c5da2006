//! What the server's machine tells at one moment.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::counts::ServerCounts;
use super::running::Running;
use crate::measure::account::Memory;
use crate::measure::process::{cpu_nanos, machine_cpu_nanos, user_bytes};
use crate::measure::slab::Slabs;

/// What moves on all the time, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The time, in nanoseconds since the server was started.
    pub(crate) nanos: u64,
    /// Processor time that the server has taken, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// Processor time that the whole machine has spent, in nanoseconds.
    pub(crate) machine_cpu_nanos: u64,
    /// What the server counts.
    pub(crate) counts: ServerCounts,
}

impl Moment {
    pub(super) fn now(server: &mut Running, start: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            nanos: nanos_since(start),
            cpu_nanos: cpu_nanos(server.pid())?,
            machine_cpu_nanos: machine_cpu_nanos()?,
            counts: server.counts()?,
        })
    }
}

/// Everything between two phases of a measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The end of the phase before.
    pub(crate) arrived: Moment,
    /// The start of the phase behind.
    pub(crate) left: Moment,
    /// Memory between them.
    pub(crate) memory: Memory,
}

/// What is cheap enough to be looked at every second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// When the processor times were read, in nanoseconds since the server was started.
    pub(crate) nanos: u64,
    /// Processor time that the server has taken, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// Processor time that the whole machine has spent, in nanoseconds.
    pub(crate) machine_cpu_nanos: u64,
    /// Connections that the server counts as open.
    pub(crate) open: u64,
    /// The server's user memory in bytes.
    pub(crate) user_bytes: u64,
    /// All slab caches in bytes; `None` where they cannot be read.
    pub(crate) slab_bytes: Option<u64>,
}

impl Sample {
    pub(super) fn take(server: &mut Running, start: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            nanos: nanos_since(start),
            cpu_nanos: cpu_nanos(server.pid())?,
            machine_cpu_nanos: machine_cpu_nanos()?,
            open: server.counts()?.open,
            user_bytes: user_bytes(server.pid())?,
            slab_bytes: Slabs::read().ok().map(|slabs| slabs.bytes()),
        })
    }
}

fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
