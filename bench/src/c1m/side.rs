//! The server's side of a measurement, on this machine or on another one.

use crate::agent::remote::Remote;
use crate::agent::wire::{Clients, Meeting, Point};
use crate::measure::interrupt::Interrupt;
use crate::servers::host::{Host, Programs, Sample, ServerPlan, ServerShape};

/// The server's side.
pub(super) enum Side<'a> {
    /// The server runs on this machine, and this is the only load machine.
    Here(Box<Host>),
    /// An agent runs it, and other load machines may take part.
    There(&'a mut Remote),
}

/// A server that runs.
pub(super) struct Running<'a> {
    pub(super) side: Side<'a>,
    pub(super) shape: ServerShape,
    /// Where to connect to.
    pub(super) urls: Vec<String>,
    /// Connections of all load machines.
    pub(super) connections: u64,
    /// Load machines.
    pub(super) machines: u32,
    /// Load machines whose kernel is the server's, which then holds both ends of their connections.
    pub(super) sharing_kernel: u32,
}

impl<'a> Running<'a> {
    pub(super) fn here(
        programs: &Programs,
        plan: &ServerPlan,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let host = Host::start(programs, plan, interrupt)?;
        let shape = host.shape()?;
        Ok(Self {
            urls: vec![format!("ws://127.0.0.1:{}/", shape.port)],
            shape,
            side: Side::Here(Box::new(host)),
            connections: plan.connections,
            machines: 1,
            sharing_kernel: 1,
        })
    }

    /// `hosts` are names or addresses of the one server.
    pub(super) fn there(remote: &'a mut Remote, hosts: &[String], plan: &ServerPlan) -> anyhow::Result<Self> {
        let (shape, connections) = remote.start(plan)?;
        Ok(Self {
            urls: hosts.iter().map(|host| format!("ws://{host}:{}/", shape.port)).collect(),
            shape,
            connections,
            machines: remote.machine().of,
            sharing_kernel: remote.entered().sharing_kernel,
            side: Side::There(remote),
        })
    }
}

impl Side<'_> {
    /// Waits for the others, and reads the server's machine. `clients` are those of this machine.
    pub(super) fn meet(&mut self, point: Point, clients: Clients) -> anyhow::Result<Meeting> {
        match self {
            Self::Here(host) => Meeting::at(point, clients, host),
            Self::There(remote) => remote.meet(point, clients),
        }
    }

    pub(super) fn sample(&mut self) -> anyhow::Result<Sample> {
        match self {
            Self::Here(host) => host.sample(),
            Self::There(remote) => remote.sample(),
        }
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Here(host) => host.stop(),
            Self::There(remote) => remote.stop(),
        }
    }
}
