//! All measurements of one call, one after the other.

use anyhow::{Context, ensure};

use super::args::C1mArgs;
use super::load::LoadArgs;
use super::report::{C1mReport, Growth, Part, SCHEMA};
use super::results::Findings;
use super::rounds::{Measured, Pair, settle};
use super::run::Run;
use super::side::Running;
use crate::agent::remote::Remote;
use crate::agent::wire::Machine;
use crate::measure::environment::{Environment, today};
use crate::measure::interrupt::Interrupt;
use crate::servers::LOOPBACK;
use crate::servers::host::{Kind, Programs, ServerPlan};

/// What measurements have in common.
pub(super) struct Session<'a> {
    args: &'a C1mArgs,
    interrupt: &'a Interrupt,
    /// The agent of the server's machine, if that is another one.
    remote: Option<Remote>,
}

impl<'a> Session<'a> {
    pub(super) fn begin(args: &'a C1mArgs, interrupt: &'a Interrupt) -> anyhow::Result<Self> {
        let machines = args.elsewhere.machine.of;
        ensure!(
            args.numbers().iter().all(|&number| number >= machines),
            "{machines} load machines need a connection each: give a larger -n"
        );
        Ok(Self { args, interrupt, remote: args.elsewhere.enter(interrupt)? })
    }

    /// Measures each number of connections, in so many rounds as are wanted.
    pub(super) fn measure(mut self) -> anyhow::Result<Findings> {
        let findings = self.findings();
        match (self.remote.take(), &findings) {
            (Some(remote), Ok(_)) => remote.leave()?,
            (Some(remote), Err(error)) => remote.quit(&format!("{error:#}")),
            (None, _) => {}
        }
        findings
    }

    fn findings(&mut self) -> anyhow::Result<Findings> {
        let machine = self.args.elsewhere.machine;
        let entered = self.remote.as_ref().map(Remote::entered);
        let mut report = C1mReport {
            schema: SCHEMA,
            date: today(),
            part: entered
                .filter(|_| machine != Machine::ONLY)
                .map(|entered| Part { session: entered.session.clone(), machine }),
            environment: Environment::read(),
            other_environments: Vec::new(),
            server_environment: entered.map(|entered| entered.environment.clone()),
            sharing_kernel: entered.map_or(1, |entered| entered.sharing_kernel),
            runs: Vec::new(),
            growth: None,
        };
        let mut timelines = Vec::new();
        for connections in self.args.numbers() {
            let rounds: Vec<Pair> = (0..self.args.rounds)
                .map(|round| self.pair(connections, round))
                .collect::<anyhow::Result<_>>()?;
            let (run, seen) = settle(rounds).context("nothing was measured: --rounds is 0")?;
            report.runs.push(run);
            timelines.extend(seen);
        }
        report.growth = Growth::of(&report.runs);
        Ok(Findings { report, timelines })
    }

    /// throng and the floor, if it is wanted: the floor first in the first round, then by turns.
    fn pair(&mut self, connections: u32, round: u32) -> anyhow::Result<Pair> {
        let throng_first = round % 2 == 1;
        let (mut throng, mut floor) = (None, None);
        for is_throng in [throng_first, !throng_first] {
            if is_throng {
                throng = Some(self.run(Kind::Throng, connections)?);
            } else if self.args.floor {
                floor = Some(self.run(Kind::Floor, connections)?);
            }
        }
        Ok(Pair { throng: throng.context("throng is always measured")?, floor, throng_first })
    }

    fn run(&mut self, kind: Kind, connections: u32) -> anyhow::Result<Measured> {
        let C1mArgs { load, elsewhere, .. } = self.args;
        let Some(remote) = &mut self.remote else {
            let programs = Programs { server_bin: load.server.server_bin.clone(), listen: LOOPBACK };
            return measure(&programs, load, kind, connections, self.interrupt);
        };
        let share = elsewhere.machine.share(connections);
        let measured =
            Running::there(remote, &elsewhere.hosts(), &plan(load, kind, share)).and_then(|running| {
                Run::start(load, &elsewhere.source, kind, share, running, self.interrupt)?.measure()
            });
        measured.with_context(|| context(kind, connections))
    }
}

/// Measures one server with so many connections, both ends on this machine.
pub(crate) fn measure(
    programs: &Programs,
    load: &LoadArgs,
    kind: Kind,
    connections: u32,
    interrupt: &Interrupt,
) -> anyhow::Result<Measured> {
    let measured = Running::here(programs, &plan(load, kind, connections), interrupt)
        .and_then(|running| Run::start(load, &[], kind, connections, running, interrupt)?.measure());
    measured.with_context(|| context(kind, connections))
}

fn plan(load: &LoadArgs, kind: Kind, connections: u32) -> ServerPlan {
    ServerPlan {
        kind,
        connections: u64::from(connections),
        ping_interval: load.ping_interval,
        pong_timeout: load.pong_timeout,
        workers: load.server.workers,
    }
}

fn context(kind: Kind, connections: u32) -> String {
    format!("measuring {} with {connections} connections", kind.name())
}
