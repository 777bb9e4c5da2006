//! `throng-bench merge`: one report of those of several load machines.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::args::ResultsArgs;
use crate::c1m::report::{C1mReport, Costs, Growth, Measurement, RunReport, SCHEMA};
use crate::c1m::results::Findings;
use crate::measure::reasons::add_fields;
use crate::measure::spread::lower_median;
use crate::report::deliver;

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
    let (first, others) = reports.split_first().context("there is nothing to merge")?;
    let mut merged = first.clone();
    merged.part = None;
    for report in others {
        merged.other_environments.push(report.environment.clone());
        ensure!(
            report.runs.len() == merged.runs.len(),
            "load machines have measured different numbers of connections"
        );
        merged.runs.iter_mut().zip(&report.runs).try_for_each(|(run, other)| add_run(run, other))?;
    }
    for (number, run) in merged.runs.iter_mut().enumerate() {
        finish(
            &mut run.throng,
            &reports.iter().map(|report| &report.runs[number].throng).collect::<Vec<_>>(),
        )?;
        if let Some(floor) = &mut run.floor {
            let floors = reports.iter().filter_map(|report| report.runs[number].floor.as_ref());
            finish(floor, &floors.collect::<Vec<_>>())?;
        }
        // The others are of the server, and of all clients' processor time, in every report alike.
        if let Some(ratios) = &mut run.ratios {
            let ramps = run
                .rounds
                .iter()
                .filter_map(|round| Some(round.throng.ramp_seconds / round.floor?.ramp_seconds));
            ratios.0.insert("ramp".to_owned(), lower_median(ramps));
        }
    }
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

add_fields!(Measurement { share, client_threads, opened, closed, failed, lost, unclean });

fn add_run(merged: &mut RunReport, part: &RunReport) -> anyhow::Result<()> {
    let (first, other) = (merged.connections, part.connections);
    ensure!(first == other, "load machines have measured {first} and {other} connections");
    ensure!(
        merged.rounds.len() == part.rounds.len(),
        "load machines have measured in different numbers of rounds"
    );
    ensure!(merged.floor.is_some() == part.floor.is_some(), "not all load machines have measured the floor");
    add(&mut merged.throng, &part.throng)?;
    if let Some((floor, other)) = merged.floor.as_mut().zip(part.floor.as_ref()) {
        add(floor, other)?;
    }
    // A ramp is over when the last machine's is; the rest is of the server.
    let later =
        |costs: &mut Costs, other: &Costs| costs.ramp_seconds = costs.ramp_seconds.max(other.ramp_seconds);
    for (round, other) in merged.rounds.iter_mut().zip(&part.rounds) {
        later(&mut round.throng, &other.throng);
        if let Some((floor, other)) = round.floor.as_mut().zip(other.floor.as_ref()) {
            later(floor, other);
        }
    }
    Ok(())
}

/// Adds what a load machine counted; what was read of the server and of all clients together is in each report alike.
fn add(merged: &mut Measurement, part: &Measurement) -> anyhow::Result<()> {
    let same = |of: &Measurement| {
        let pings = of.hold.as_ref().map(|hold| (hold.pings_sent, hold.pongs_received));
        (of.server.clone(), of.connections, of.machines, of.user.server_at_n, pings)
    };
    ensure!(
        same(merged) == same(part),
        "reports of one session disagree about the server: has one been changed?"
    );
    *merged += part;
    merged.handshake_us.add(&part.handshake_us);
    merged.ramp_seconds = merged.ramp_seconds.max(part.ramp_seconds);
    merged.close_seconds = merged.close_seconds.max(part.close_seconds);
    merged.after.settled_seconds = merged.after.settled_seconds.max(part.after.settled_seconds);
    if let Some((merged, part)) = merged.probe.as_mut().zip(part.probe.as_ref()) {
        merged.rate = merged.rate.zip(part.rate).map(|(merged, part)| merged + part);
        merged.add(part);
    }
    Ok(())
}

/// Puts into a sum what follows from it, and what each of its parts says.
fn finish(merged: &mut Measurement, parts: &[&Measurement]) -> anyhow::Result<()> {
    let Measurement { share, connections, opened, .. } = *merged;
    ensure!(share == connections, "the shares of all load machines are {share} of {connections} connections");
    merged.warnings = told(parts, |part| &part.warnings);
    merged.problems = told(parts, |part| &part.problems);
    let per_second = opened as f64 / merged.ramp_seconds;
    merged.connections_per_second = if per_second.is_finite() { per_second } else { 0.0 };
    let (lost, open) = (merged.lost.sum(), merged.open_after_ramp.client);
    // Those lost may have been lost before or after all met.
    if !(opened.saturating_sub(lost)..=opened).contains(&open) {
        merged.problems.push(format!(
            "load machines have opened {opened} connections and lost {lost}, and {open} were open after the ramp"
        ));
    }
    Ok(())
}

/// What all say once, the rest as that of the machine which says it.
fn told(parts: &[&Measurement], of: fn(&Measurement) -> &Vec<String>) -> Vec<String> {
    let is_common = |text: &&String| parts.iter().all(|part| of(part).contains(text));
    let common = parts.iter().take(1).flat_map(|part| of(part)).filter(is_common).cloned();
    let own = parts.iter().zip(1..).flat_map(|(part, number)| {
        let own = of(part).iter().filter(move |text| !is_common(text));
        own.map(move |text| format!("load machine {number}: {text}"))
    });
    common.chain(own).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::agent::wire::Machine;
    use crate::c1m::report::{BothSides, Hold, Part, Ratios, Round};
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
            part: Some(Part { session: "s".to_owned(), machine: Machine { number, of: 2 } }),
            environment: Environment { command: vec![number.to_string()], ..Environment::default() },
            runs: vec![run],
            ..C1mReport::default()
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
