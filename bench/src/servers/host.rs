//! The server's side of a measurement on the machine where the server runs: the server in a control group of its own, and
//! what this machine tells about both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::program::Program;
pub(crate) use super::reading::{Moment, Reading, Sample};
use super::running::Running;
use super::{App, Want};
use crate::measure::account::Memory;
use crate::measure::cgroup::{Cgroup, Charges};
use crate::measure::interrupt::Interrupt;
use crate::measure::slab::Slabs;

/// How long kernel memory may take to settle: it is freed after grace periods.
const SETTLE: Duration = Duration::from_secs(20);
/// How often settling is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// `throng serve`.
    Throng,
    /// `throng-bench floor-server --mode ping`.
    Floor,
    /// `throng-bench floor-server --mode accept`: no handshakes and no pings.
    Accept,
}

impl Kind {
    /// Its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throng => "throng",
            Self::Floor => "floor",
            Self::Accept => "accept",
        }
    }

    /// Whether it pings its clients.
    pub(crate) const fn pings(self) -> bool {
        !matches!(self, Self::Accept)
    }
}

/// How the server is to serve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerPlan {
    /// Which server.
    pub(crate) kind: Kind,
    /// Connections to have room for.
    pub(crate) connections: u64,
    /// Its ping interval.
    pub(crate) ping_interval: Duration,
    /// How long it waits for a Pong.
    pub(crate) pong_timeout: Duration,
    /// Its workers; `None` for throng's own choice, which the floor takes too.
    pub(crate) workers: Option<usize>,
}

impl ServerPlan {
    /// Whether both want the same server, whatever room it needs.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        Self { connections: 0, ..self.clone() } == Self { connections: 0, ..other.clone() }
    }
}

/// What is known of a running server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerShape {
    /// The port it listens on.
    pub(crate) port: u16,
    /// Threads with an event loop.
    pub(crate) workers: usize,
    /// Whether each has a descriptor table of its own.
    pub(crate) private_tables: bool,
    /// Which kernel memory its control group is charged with; `None` without a group.
    pub(crate) charges: Option<Charges>,
}

/// A server on this machine. Dropping it kills it.
pub(crate) struct Host {
    server: Running,
    // Behind the server: it is removed once that has ended.
    cgroup: Option<Cgroup>,
    start: Instant,
    interrupt: Interrupt,
}

/// What starts servers: throng's program, and where they listen.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The server program; `None` for throng beside this program.
    pub(crate) server_bin: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
}

impl Host {
    /// Starts a server once what earlier ones left in the kernel is gone, and waits until it listens.
    pub(crate) fn start(
        programs: &Programs,
        plan: &ServerPlan,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let throng = Program::Throng(programs.server_bin.clone());
        let mut want = Want {
            pings: Some((plan.ping_interval, plan.pong_timeout)),
            workers: plan.workers,
            listen: programs.listen,
            ..Want::of(if plan.kind == Kind::Accept { App::Accept } else { App::Hold }, plan.connections)
        };
        let program = if plan.kind == Kind::Throng {
            throng
        } else {
            // In the shape that throng chooses for itself.
            want.workers = throng.own_workers(&want, interrupt)?;
            Program::Floor
        };
        settled_slabs(interrupt)?;
        let server = program.start(&want, interrupt)?;
        // It is a second opinion, which many machines do not offer.
        let cgroup = Cgroup::make(&format!("throng-bench-{}", std::process::id())).ok();
        let cgroup = cgroup.filter(|cgroup| cgroup.add(server.pid()).is_ok());
        Ok(Self { server, cgroup, start: Instant::now(), interrupt: interrupt.clone() })
    }

    pub(crate) fn shape(&self) -> anyhow::Result<ServerShape> {
        Ok(ServerShape {
            port: self.server.port()?,
            workers: self.server.workers().unwrap_or_default(),
            private_tables: self.server.private_tables().unwrap_or_default(),
            charges: self.cgroup.as_ref().map(Cgroup::charges),
        })
    }

    /// A full reading, as soon as the server counts `open` connections, or when it had time enough to.
    pub(crate) fn reading(&mut self, open: u64) -> anyhow::Result<Reading> {
        let arrived = Moment::now(&mut self.server, self.start)?;
        self.await_open(open)?;
        self.read(arrived)
    }

    /// The reading after all connections have gone, once kernel memory has settled.
    pub(crate) fn last_reading(&mut self) -> anyhow::Result<Reading> {
        let arrived = Moment::now(&mut self.server, self.start)?;
        self.await_open(0)?;
        settled_slabs(&self.interrupt)?;
        self.read(arrived)
    }

    fn await_open(&mut self, open: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.server.counts()?.open != open && start.elapsed() < SETTLE {
            pause(&self.interrupt)?;
        }
        Ok(())
    }

    fn read(&mut self, arrived: Moment) -> anyhow::Result<Reading> {
        Ok(Reading {
            arrived,
            memory: Memory::read(self.server.pid(), self.cgroup.as_ref())?,
            left: Moment::now(&mut self.server, self.start)?,
        })
    }

    /// What can be looked at often.
    pub(crate) fn sample(&mut self) -> anyhow::Result<Sample> {
        Sample::take(&mut self.server, self.start)
    }

    /// Stops the server. The error says how it ended when that was not in order.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.server.stop()
    }
}

/// Waits until the slab caches shrink no more, [`SETTLE`] at most. Where they cannot be read there is nothing to wait for.
fn settled_slabs(interrupt: &Interrupt) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE;
    let Ok(mut slabs) = Slabs::read() else { return Ok(()) };
    loop {
        pause(interrupt)?;
        let later = Slabs::read()?;
        let shrunk = slabs.bytes().saturating_sub(later.bytes());
        if shrunk < slabs.bytes() / 1000 || Instant::now() >= deadline {
            return Ok(());
        }
        slabs = later;
    }
}

fn pause(interrupt: &Interrupt) -> anyhow::Result<()> {
    ensure!(!interrupt.is_raised(), "interrupted");
    std::thread::sleep(LOOK);
    Ok(())
}
