//! The server's side of a measurement, on this machine or on another one.

use serde::{Deserialize, Serialize};

use crate::host::{Host, Programs, Reading, Sample, ServerPlan, ServerShape};
use crate::interrupt::Interrupt;

/// Where everybody who takes part in a measurement waits for the others, and the server's machine is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// The server listens, and the clients stand ready.
    Ready,
    /// All connections have opened or failed.
    Ramped,
    /// The hold is over.
    Held,
    /// All connections have been closed, and the kernel has taken back what they took.
    Closed,
}

/// What was found when all had come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Meeting {
    /// The server and its machine.
    pub reading: Reading,
    /// Connections that the clients of all load machines count as open.
    pub open: u64,
    /// Connections that all of them were to open.
    pub connections: u64,
    /// Load machines.
    pub machines: usize,
}

/// The server's side.
pub(super) enum Side {
    /// The server runs on this machine, and this is the only load machine.
    Here {
        /// The server.
        host: Box<Host>,
        /// What it serves.
        plan: ServerPlan,
    },
}

impl Side {
    pub(super) fn here(programs: &Programs, plan: ServerPlan, interrupt: &Interrupt) -> anyhow::Result<Self> {
        Ok(Self::Here { host: Box::new(Host::start(programs, &plan, interrupt)?), plan })
    }

    /// Whether the clients are on the server's machine, whose kernel then holds both ends.
    pub(super) const fn is_here(&self) -> bool {
        matches!(self, Self::Here { .. })
    }

    pub(super) fn shape(&self) -> anyhow::Result<ServerShape> {
        let Self::Here { host, .. } = self;
        host.shape()
    }

    /// Addresses to connect to.
    pub(super) fn urls(&self) -> anyhow::Result<Vec<String>> {
        Ok(vec![format!("ws://127.0.0.1:{}/", self.shape()?.port)])
    }

    /// Waits for the others, of whose connections and this machine's `open` are open, and reads the server's machine.
    pub(super) fn meet(&mut self, point: Point, open: u64) -> anyhow::Result<Meeting> {
        let Self::Here { host, plan } = self;
        let reading = if point == Point::Closed { host.last_reading()? } else { host.reading(open)? };
        Ok(Meeting { reading, open, connections: plan.connections, machines: 1 })
    }

    pub(super) fn sample(&mut self) -> anyhow::Result<Sample> {
        let Self::Here { host, .. } = self;
        host.sample()
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        let Self::Here { host, .. } = self;
        host.stop()
    }
}
