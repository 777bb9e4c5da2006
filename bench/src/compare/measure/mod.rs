//! One cell of one server: the server is started, measured as the command for it does, and killed.

mod broadcast;
mod connect;
mod echo;
mod idle;
mod pings;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;

use super::args::CompareArgs;
use super::cells::Cell;
use super::report::Measured;
use super::servers::Subject;
use crate::args::parse;
use crate::hold;
use crate::hold::args::HoldArgs;
use crate::hold::report::HoldReport;
use crate::measure::cores::Cores;
use crate::measure::distribution::Distribution;
use crate::measure::interrupt::Interrupt;
use crate::measure::reasons::Reasons;
use crate::servers::running::Running;
use crate::servers::{App, Want};

/// Where and how measurements are made.
pub(super) struct Scene<'a> {
    pub(super) args: &'a CompareArgs,
    pub(super) cores: Cores,
    pub(super) interrupt: &'a Interrupt,
}

/// What a measurement found.
#[derive(Debug, Default)]
struct Found {
    figures: BTreeMap<String, f64>,
    /// What went wrong, so that the figures do not count.
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Scene<'_> {
    /// Measures a cell of a server. What goes wrong is part of the result.
    pub(super) fn measure(&self, cell: Cell, subject: &Subject, round: u32) -> anyhow::Result<Measured> {
        let mut measured =
            Measured { cell: cell.to_string(), server: subject.name.clone(), round, ..Measured::default() };
        if let Some(reason) = subject.program.lacks(&self.want(cell)) {
            measured.unable = Some(reason.to_owned());
            return Ok(measured);
        }
        let found = self.found(cell, subject);
        ensure!(!self.interrupt.is_raised(), "interrupted");
        match found {
            Ok(Found { figures, problems, notes }) => {
                measured.figures = figures;
                measured.notes = notes;
                measured.failure = (!problems.is_empty()).then(|| problems.join("; "));
            }
            Err(error) => measured.failure = Some(format!("{error:#}")),
        }
        Ok(measured)
    }

    fn found(&self, cell: Cell, subject: &Subject) -> anyhow::Result<Found> {
        let mut running = subject.program.start(&self.want(cell), self.interrupt)?;
        self.cores.check(running.pid())?;
        let found = match cell {
            Cell::Echo { connections, depth, size } => {
                echo::measure(self, &running, (connections, depth, size))
            }
            Cell::Idle { compressed } => idle::measure(self, &running, compressed),
            Cell::Broadcast { in_flight } => broadcast::measure(self, &mut running, in_flight),
            Cell::Handshake => connect::handshakes(self, &running),
            Cell::Churn { rate } => connect::churn(self, &running, rate),
            Cell::Pings => pings::measure(self, &running),
        };
        // Its own end explains more than what was seen of it.
        if let Err(ended) = running.check() {
            return Err(match found {
                Err(error) => ended.context(format!("{error:#}")),
                Ok(found) => found.problems.into_iter().fold(ended, anyhow::Error::context),
            });
        }
        self.cores.check(running.pid())?;
        let mut found = found?;
        found.check(cell);
        Ok(found)
    }

    /// The arguments of a command that connects to a server's path: those that all have, these, and flags that take no value.
    fn arguments<A: clap::Args>(
        &self,
        running: &Running,
        path: &str,
        options: &[(&str, String)],
        flags: &[&str],
    ) -> anyhow::Result<A> {
        let common = [
            ("--to", running.url(path)),
            ("--threads", "1".to_owned()),
            ("--seed", self.args.seed.to_string()),
            ("--pid", running.pid().to_string()),
            ("--close-timeout", time(CLOSE_TIMEOUT)),
        ];
        let options = common.iter().chain(options).flat_map(|(name, value)| [*name, value]);
        parse(running.sample_key().into_iter().chain(flags.iter().copied()).chain(options))
    }

    /// Opens connections and holds them, as `throng-bench hold` does, with what went wrong.
    fn hold(
        &self,
        running: &Running,
        connections: u32,
        time: Duration,
    ) -> anyhow::Result<(HoldReport, Found)> {
        let options = [
            ("--connections", connections.to_string()),
            ("--in-flight", IN_FLIGHT.to_string()),
            ("--hold", self::time(time)),
        ];
        let args: HoldArgs = self.arguments(running, "", &options, &[])?;
        let report = hold::measure(&args, self.interrupt)?;
        let mut found = Found::default();
        found.blame("failed", &report.opening.failed);
        found.blame("lost", &report.outcome.lost);
        found.note("closing", &report.outcome.unclean);
        Ok((report, found))
    }

    fn want(&self, cell: Cell) -> Want<'static> {
        let (app, connections) = match cell {
            Cell::Idle { .. } => (App::Echo, self.args.idle_high),
            Cell::Echo { connections, .. } => (App::Echo, connections),
            Cell::Broadcast { .. } => (App::Hub, self.args.subscribers),
            Cell::Handshake => (App::Hold, self.args.handshakes),
            Cell::Churn { .. } => (App::Hold, VISITORS),
            Cell::Pings => (App::Hold, self.args.held),
        };
        let interval = self.args.ping_interval;
        Want {
            // throng has one timer for both, so that it pings no more often than it waits for an answer.
            pings: (cell == Cell::Pings).then_some((interval, interval / 2)),
            compression: Some(if matches!(cell, Cell::Idle { compressed: true }) {
                COMPRESSION
            } else {
                "off"
            }),
            workers: Some(1),
            cores: Some(self.cores),
            ..Want::of(app, u64::from(connections + SPARE))
        }
    }
}

/// How throng compresses: each message by itself.
const COMPRESSION: &str = "shared";
/// Sockets beyond the connections of a measurement that a server has room for.
const SPARE: u32 = 256;
/// Connections of the churn that are there at the same time.
const VISITORS: u32 = 200;
/// Connections that are being opened at the same time: fewer than fit into the shortest of the servers' backlogs.
const IN_FLIGHT: u32 = 256;

/// How long a server may take to close: some never do, and each of their connections is waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// As options take it.
fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

impl Found {
    fn put(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    fn put_some(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Figures of a latency in microseconds.
    fn put_latency(&mut self, latency: &Distribution) {
        for (name, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p99_9_us", 0.999)] {
            if latency.count() > 0 {
                self.put(name, latency.value_at(quantile) as f64);
            }
        }
    }

    /// Takes what went wrong, by reason.
    fn blame(&mut self, what: &str, reasons: &Reasons) {
        let told = reasons.iter().map(|(reason, count)| format!("{what}: {count} x {reason}"));
        self.problems.extend(told);
    }

    /// Takes what is odd but takes nothing from the figures, by reason.
    fn note(&mut self, what: &str, reasons: &Reasons) {
        self.notes.extend(reasons.iter().map(|(reason, count)| format!("{what}: {count} x {reason}")));
    }

    /// Makes sure that what servers are held against each other by has been measured.
    fn check(&mut self, cell: Cell) {
        if !self.problems.is_empty() {
            return;
        }
        for figure in cell.compared() {
            match self.figures.get(figure.name) {
                None => self.problems.push(format!("{} was not measured", figure.name)),
                Some(&value) if figure.name == "cpu_us" && value <= 0.0 => self.problems.push(
                    "the process took no processor time: the command must be the server itself and no script that starts it \
                     (exec)"
                        .to_owned(),
                ),
                Some(_) => {}
            }
        }
    }
}
