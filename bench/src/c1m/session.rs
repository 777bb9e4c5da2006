//! All measurements of one call, one after the other.

use std::time::SystemTime;

use anyhow::Context;

use super::C1mArgs;
use super::load::LoadArgs;
use super::ratios::Growth;
use super::report::{C1mReport, SCHEMA};
use super::rounds::{Pair, settle};
use super::run::{Measured, Run};
use super::side::Side;
use crate::host::{Kind, Programs, ServerPlan};
use crate::interrupt::Interrupt;
use crate::linux::environment::Environment;
use crate::results::Findings;
use crate::server::LOOPBACK;

/// What measurements have in common.
pub(super) struct Session<'a> {
    pub(super) args: &'a C1mArgs,
    pub(super) interrupt: &'a Interrupt,
}

impl Session<'_> {
    /// Measures each number of connections, in so many rounds as are wanted.
    pub(super) fn measure(&self) -> anyhow::Result<Findings> {
        let mut report = C1mReport {
            schema: SCHEMA,
            date: today(),
            environment: Environment::read(),
            server_environment: None,
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
    fn pair(&self, connections: u32, round: u32) -> anyhow::Result<Pair> {
        let run = |kind| self.run(kind, connections);
        let floor = || self.args.floor.then(|| run(Kind::Floor)).transpose();
        let throng_first = round % 2 == 1;
        let (throng, floor) = if throng_first {
            let throng = run(Kind::Throng)?;
            (throng, floor()?)
        } else {
            let floor = floor()?;
            (run(Kind::Throng)?, floor)
        };
        Ok(Pair { throng, floor, throng_first })
    }

    fn run(&self, kind: Kind, connections: u32) -> anyhow::Result<Measured> {
        let programs = Programs { server_bin: self.args.server_bin.clone(), listen: LOOPBACK };
        measure(&programs, &self.args.load, kind, connections, self.interrupt)
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
    let plan = ServerPlan {
        kind,
        connections: u64::from(connections),
        ping_interval: load.ping_interval,
        pong_timeout: load.pong_timeout,
        workers: load.workers,
    };
    let measured = Side::here(programs, plan, interrupt)
        .and_then(|side| Run::start(load, kind, connections, side, interrupt)?.measure());
    measured.with_context(|| format!("measuring {} with {connections} connections", kind.name()))
}

/// Today (UTC), as in 2026-01-31.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.chars().take_while(|&c| c != 'T').collect()
}
