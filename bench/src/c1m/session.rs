//! All measurements of one call, one after the other.

use std::time::SystemTime;

use anyhow::Context;

use super::C1mArgs;
use super::ratios::{Growth, Ratios};
use super::report::{C1mReport, RunReport, SCHEMA};
use super::run::{Measured, Run};
use super::side::Side;
use crate::host::{Kind, Programs, ServerPlan};
use crate::interrupt::Interrupt;
use crate::linux::environment::Environment;
use crate::plot::Timeline;
use crate::server::LOOPBACK;

/// What measurements have in common.
pub(super) struct Session<'a> {
    pub(super) args: &'a C1mArgs,
    pub(super) interrupt: &'a Interrupt,
}

/// A report, and what is drawn but not told in it.
pub(super) struct Findings {
    pub(super) report: C1mReport,
    pub(super) timelines: Vec<Timeline>,
}

impl Session<'_> {
    /// Measures each number of connections: first the floor, if it is wanted, then throng.
    pub(super) fn measure(&self) -> anyhow::Result<Findings> {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut report = C1mReport {
            schema: SCHEMA,
            date: date.chars().take_while(|&c| c != 'T').collect(),
            environment: Environment::read(),
            server_environment: None,
            runs: Vec::new(),
            growth: None,
        };
        let mut timelines = Vec::new();
        for connections in self.args.numbers() {
            let floor = self.args.floor.then(|| self.run(Kind::Floor, connections)).transpose()?;
            let throng = self.run(Kind::Throng, connections)?;
            let ratios = floor.as_ref().map(|floor| Ratios::of(&throng.report, &floor.report));
            let (floor, floor_timeline) = floor.map(|floor| (floor.report, floor.timeline)).unzip();
            timelines.extend(floor_timeline.into_iter().chain([throng.timeline]));
            let connections = throng.report.connections;
            report.runs.push(RunReport { connections, floor, throng: throng.report, ratios });
        }
        report.growth = Growth::of(&report.runs);
        Ok(Findings { report, timelines })
    }

    fn run(&self, kind: Kind, connections: u32) -> anyhow::Result<Measured> {
        let plan = ServerPlan {
            kind,
            connections: u64::from(connections),
            ping_interval: self.args.load.ping_interval,
            pong_timeout: self.args.load.pong_timeout,
            workers: self.args.load.workers,
        };
        let programs = Programs { server_bin: self.args.server_bin.clone(), listen: LOOPBACK };
        let measured = Side::here(&programs, plan, self.interrupt)
            .and_then(|side| Run::start(&self.args.load, kind, connections, side, self.interrupt)?.measure());
        measured.with_context(|| format!("measuring {} with {connections} connections", kind.name()))
    }
}
