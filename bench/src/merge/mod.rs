//! `throng-bench merge`: one report of those of several load machines.

mod measurement;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::args::ResultsArgs;
use crate::c1m::figures::Growth;
use crate::c1m::report::{C1mReport, RunReport, SCHEMA};
use crate::c1m::results::Findings;
use crate::c1m::rounds::{Costs, Round};
use crate::measure::spread::lower_median;
use crate::report::deliver;
use measurement::merge_measurements;

/// Puts the reports of the load machines of one session together: counts and latency histograms are added, percentiles taken from
/// their sum, never averaged.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MergeArgs {
    /// The reports, one of each load machine: directories written by `c1m --results`, or files by `c1m --json`.
    #[arg(required = true, value_name = "REPORT")]
    pub(crate) reports: Vec<PathBuf>,
    /// Write the report as JSON to this file, - for standard output instead of the text.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) results: ResultsArgs,
}

/// Runs the command. `false` when connections were lost, pings missed, or the counts disagree.
pub(crate) fn run(args: &MergeArgs) -> anyhow::Result<bool> {
    let reports = args.reports.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let findings = Findings { report: merge(reports)?, timelines: Vec::new() };
    deliver(&findings, args.json.as_deref(), Some(&args.results))
}

/// Puts the reports of all load machines of one session together, in any order.
pub(crate) fn merge(mut reports: Vec<C1mReport>) -> anyhow::Result<C1mReport> {
    check(&reports)?;
    reports.sort_by_key(|report| report.part.as_ref().map(|part| part.machine.number));
    let mut reports = reports.into_iter();
    let mut merged = reports.next().context("there is nothing to merge")?;
    merged.part = None;
    let mut all_runs: Vec<Vec<RunReport>> = merged.runs.into_iter().map(|run| vec![run]).collect();
    for report in reports {
        merged.other_environments.push(report.environment);
        ensure!(
            report.runs.len() == all_runs.len(),
            "load machines have measured different numbers of connections"
        );
        all_runs.iter_mut().zip(report.runs).for_each(|(runs, run)| runs.push(run));
    }
    merged.runs = all_runs.into_iter().map(merge_runs).collect::<anyhow::Result<_>>()?;
    merged.growth = Growth::of(&merged.runs);
    Ok(merged)
}

fn read(path: &Path) -> anyhow::Result<C1mReport> {
    let path = if path.is_dir() { path.join("summary.json") } else { path.to_owned() };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let schema = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|report| report.get("schema")?.as_u64())
        .with_context(|| format!("{} is no report of c1m", path.display()))?;
    ensure!(
        schema == u64::from(SCHEMA),
        "{} has schema {schema}, this program knows {SCHEMA}: merge with the program that wrote it",
        path.display()
    );
    serde_json::from_str(&text).with_context(|| format!("{} is no report of c1m", path.display()))
}

/// Whether they are all reports of one session.
fn check(reports: &[C1mReport]) -> anyhow::Result<()> {
    let parts = reports.iter().map(|report| {
        report
            .part
            .as_ref()
            .context("a report is of no load machine, but a whole: nothing is to be added to it")
    });
    let parts = parts.collect::<anyhow::Result<Vec<_>>>()?;
    let first = parts.first().context("there is nothing to merge")?;
    for part in &parts {
        ensure!(
            part.session == first.session,
            "reports are of different sessions, {} and {}: merge those that were measured together",
            first.session,
            part.session
        );
    }
    for number in 1..=first.machine.of {
        let count = parts.iter().filter(|part| part.machine.number == number).count();
        ensure!(count > 0, "the report of load machine {number}/{} is missing", first.machine.of);
        ensure!(count == 1, "there are {count} reports of load machine {number}/{}", first.machine.of);
    }
    Ok(())
}

fn merge_runs(runs: Vec<RunReport>) -> anyhow::Result<RunReport> {
    let mut throngs = Vec::new();
    let mut floors = Vec::new();
    let mut all_rounds: Vec<Vec<Round>> = Vec::new();
    let mut whole = None;
    for RunReport { connections, floor, throng, ratios, rounds } in runs {
        let (first, _) = whole.get_or_insert((connections, ratios));
        ensure!(*first == connections, "load machines have measured {first} and {connections} connections");
        throngs.push(throng);
        floors.extend(floor);
        all_rounds.push(rounds);
    }
    let (connections, ratios) = whole.context("there is nothing to merge")?;
    ensure!(
        floors.is_empty() || floors.len() == throngs.len(),
        "not all load machines have measured the floor"
    );
    let rounds = merge_rounds(&all_rounds)?;
    let ramp = lower_median(
        rounds.iter().filter_map(|round| Some(round.throng.ramp_seconds / round.floor?.ramp_seconds)),
    );
    Ok(RunReport {
        connections,
        floor: if floors.is_empty() { None } else { Some(merge_measurements(floors)?) },
        throng: merge_measurements(throngs)?,
        // The others are of the server, and of all clients' processor time, in every report alike.
        ratios: ratios.map(|mut ratios| {
            ratios.0.insert("ramp".to_owned(), ramp);
            ratios
        }),
        rounds,
    })
}

/// A ramp is over when the last machine's is; the rest is of the server.
fn merge_rounds(all: &[Vec<Round>]) -> anyhow::Result<Vec<Round>> {
    let mut all = all.iter();
    let mut merged = all.next().context("there is nothing to merge")?.clone();
    for rounds in all {
        ensure!(rounds.len() == merged.len(), "load machines have measured in different numbers of rounds");
        for (merged, round) in merged.iter_mut().zip(rounds) {
            let later = |costs: &mut Costs, other: &Costs| {
                costs.ramp_seconds = costs.ramp_seconds.max(other.ramp_seconds)
            };
            later(&mut merged.throng, &round.throng);
            if let Some((floor, other)) = merged.floor.as_mut().zip(round.floor.as_ref()) {
                later(floor, other);
            }
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::agent::wire::Machine;
    use crate::c1m::figures::Ratios;
    use crate::c1m::report::{BothSides, Hold, Measurement, Part};
    use crate::engine::Echoed;
    use crate::measure::environment::Environment;
    use crate::measure::reasons::Reasons;

    fn measurement(share: u64, micros: &[u64]) -> Measurement {
        let both = BothSides { client: 30, server: 30 };
        let mut measured = Measurement {
            server: "throng".to_owned(),
            connections: 30,
            share,
            machines: 2,
            opened: share,
            closed: share,
            open_after_ramp: both,
            open_after_hold: both,
            ramp_seconds: share as f64,
            hold: Some(Hold { pings_sent: 60, cpu_us_per_ping_cycle: 5.0, ..Hold::default() }),
            probe: Some(Echoed { sent: share, received: share, rate: Some(10.0), ..Echoed::default() }),
            ..Measurement::default()
        };
        micros.iter().for_each(|&us| measured.handshake_us.record(Duration::from_micros(us)));
        measured
    }

    fn report(number: u32, share: u64, micros: &[u64]) -> C1mReport {
        let costs = Costs { ramp_seconds: share as f64, handshake_us: 1.0, ping_cycle_us: Some(5.0) };
        let floor = Costs { ramp_seconds: 10.0, ..costs };
        let run = RunReport {
            connections: 30,
            floor: Some(Measurement { server: "floor".to_owned(), ..measurement(share, micros) }),
            throng: measurement(share, micros),
            ratios: Some(Ratios(
                [("ramp", 9.0), ("handshake", 1.0)].map(|(key, ratio)| (key.to_owned(), Some(ratio))).into(),
            )),
            rounds: vec![Round { throng: costs, floor: Some(floor), throng_first: false }],
        };
        C1mReport {
            schema: SCHEMA,
            date: "2026-01-31".to_owned(),
            part: Some(Part { session: "s".to_owned(), machine: Machine { number, of: 2 } }),
            environment: Environment { command: vec![number.to_string()], ..Environment::default() },
            other_environments: Vec::new(),
            server_environment: Some(Environment::default()),
            sharing_kernel: 0,
            runs: vec![run],
            growth: None,
        }
    }

    #[test]
    fn counts_and_histograms_are_added() {
        let merged = merge(vec![report(2, 20, &[100; 20]), report(1, 10, &[5; 10])]).unwrap();
        let run = &merged.runs[0];
        let of = &run.throng;
        assert_eq!((of.opened, of.closed, of.share, of.handshake_us.count()), (30, 30, 30, 30));
        assert_eq!((of.handshake_us.value_at(0.3), of.handshake_us.value_at(0.5)), (5, 100));
        assert_eq!((of.ramp_seconds, of.connections_per_second), (20.0, 1.5));
        let probe = of.probe.as_ref().unwrap();
        assert_eq!((probe.sent, probe.received, probe.rate), (30, 30, Some(20.0)));
        assert_eq!(of.hold.as_ref().unwrap().pings_sent, 60);
        let ratios = run.ratios.as_ref().unwrap();
        assert_eq!((ratios.get("ramp"), ratios.get("handshake")), (Some(2.0), Some(1.0)));
        assert_eq!(merged.environment.command, ["1"]);
        assert_eq!(merged.other_environments[0].command, ["2"]);
        assert!(merged.is_clean() && merged.part.is_none());
    }

    #[test]
    fn what_one_machine_saw_is_told_as_its_own() {
        let (mut one, mut two) = (report(1, 10, &[1]), report(2, 20, &[2]));
        let lost = Reasons::from([("held: reset".to_owned(), 3)]);
        for (report, lost, own) in
            [(&mut one, Reasons::default(), None), (&mut two, lost, Some("3 were lost"))]
        {
            let measured = &mut report.runs[0].throng;
            measured.lost = lost;
            measured.problems = ["the server is odd"].into_iter().chain(own).map(str::to_owned).collect();
        }
        let merged = merge(vec![one, two]).unwrap();
        let of = &merged.runs[0].throng;
        assert_eq!(of.lost["held: reset"], 3);
        assert_eq!(of.problems, ["the server is odd", "load machine 2: 3 were lost"]);
        assert!(!merged.is_clean());
    }

    #[test]
    fn counts_that_disagree_are_a_problem() {
        let mut two = report(2, 20, &[2]);
        two.runs[0].throng.opened = 19;
        let merged = merge(vec![report(1, 10, &[1]), two]).unwrap();
        assert!(merged.runs[0].throng.problems[0].contains("29"), "{:?}", merged.runs[0].throng.problems);
    }

    #[test]
    fn reports_that_do_not_belong_together_are_refused() {
        let refused = |reports: Vec<C1mReport>| merge(reports).unwrap_err().to_string();
        assert!(refused(vec![report(1, 10, &[])]).contains("2/2 is missing"));
        assert!(
            refused(vec![report(1, 10, &[]), report(1, 10, &[]), report(2, 1, &[])]).contains("2 reports")
        );
        let mut other = report(2, 20, &[]);
        other.part.as_mut().unwrap().session = "t".to_owned();
        assert!(refused(vec![report(1, 10, &[]), other]).contains("different sessions"));
        let mut whole = report(2, 20, &[]);
        whole.part = None;
        assert!(refused(vec![report(1, 10, &[]), whole]).contains("no load machine"));
        let mut fewer = report(2, 20, &[]);
        fewer.runs.clear();
        assert!(refused(vec![report(1, 10, &[]), fewer]).contains("different numbers"));
        let mut other = report(2, 20, &[]);
        other.runs[0].throng.hold.as_mut().unwrap().pings_sent = 1;
        assert!(refused(vec![report(1, 10, &[]), other]).contains("disagree"));
        let mut without = report(2, 20, &[]);
        without.runs[0].floor = None;
        assert!(refused(vec![report(1, 10, &[]), without]).contains("floor"));
    }
}
