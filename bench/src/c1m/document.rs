//! `summary.md`.

use std::fmt::{self, Display, Formatter, Write};

use super::figures::FIGURES;
use super::report::{C1mReport, Part, RunReport};
use super::results::label;
use super::rounds::Costs;
use crate::measure::account::{LEAST_CONNECTIONS, SumOfParts};
use crate::measure::cgroup::Charges;
use crate::measure::environment::Environment;
use crate::measure::kernel::Side;
use crate::report::figure::ratio;
use crate::report::judge::Goal;
use crate::report::units::{mib, number, thousands};

/// The report for people who read it where its files are.
pub(super) struct Markdown<'a> {
    pub(super) report: &'a C1mReport,
    /// The names of the pictures.
    pub(super) pictures: &'a [&'a str],
}

impl Display for Markdown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let most = report.runs.last().map_or(0, |run| run.connections);
        writeln!(f, "# {} WebSockets, {}\n", thousands(most), report.date)?;
        machine(f, report)?;
        if let Some(picture) = self.picture("bytes") {
            writeln!(f, "\n![Where the bytes of one connection are]({picture})")?;
        }
        for run in report.runs.iter().rev() {
            self.run(f, run)?;
        }
        self.growth(f)?;
        environment(f, "How it was run", &report.environment)?;
        if let Some(server) = &report.server_environment {
            environment(f, "The server's machine", server)?;
        }
        writeln!(
            f,
            "\nEvery figure is in [summary.json](summary.json); `docs/RESULTS.md` says what its fields mean."
        )
    }
}

impl Markdown<'_> {
    fn picture(&self, beginning: &str) -> Option<&str> {
        self.pictures.iter().find(|name| name.starts_with(beginning)).copied()
    }

    fn run(&self, f: &mut Formatter<'_>, run: &RunReport) -> fmt::Result {
        writeln!(f, "\n## {} connections\n", thousands(run.connections))?;
        table(f, run)?;
        if let Some(ratios) = &run.ratios {
            writeln!(f, "\n| asked | measured | |\n|---|---|---|")?;
            ratios.goals().iter().try_for_each(|goal| goal_row(f, goal))?;
            sum_row(f, run)?;
        }
        if run.rounds.len() > 1 {
            rounds(f, run)?;
        }
        let measurements = || run.floor.iter().chain([&run.throng]);
        for measurement in measurements() {
            for (sign, texts) in [("Note", &measurement.warnings), ("**Problem**", &measurement.problems)] {
                texts
                    .iter()
                    .try_for_each(|text| writeln!(f, "\n{sign} ({}): {text}.", measurement.server))?;
            }
        }
        if let Some(picture) = self.picture(&format!("latency-{}", run.connections)) {
            writeln!(f, "\n![Latencies]({picture})")?;
        }
        for measurement in measurements() {
            if let Some(picture) = self.picture(&format!("timeline-{}", label(measurement))) {
                writeln!(f, "\n![{} over time]({picture})", measurement.server)?;
            }
        }
        caches(f, run)
    }

    fn growth(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(growth) = &self.report.growth else { return Ok(()) };
        let (from, to) = (thousands(growth.from), thousands(growth.to));
        writeln!(f, "\n## From {from} to {to}\n")?;
        writeln!(
            f,
            "A ping cycle's processor time grows {:.2} times, the floor's {:.2} times.\n",
            growth.throng, growth.floor
        )?;
        writeln!(f, "| asked | measured | |\n|---|---|---|")?;
        goal_row(f, &growth.goal())?;
        if let Some(picture) = self.picture("cost") {
            writeln!(f, "\n![Cost against the number of connections]({picture})")?;
        }
        Ok(())
    }
}

fn machine(f: &mut Formatter<'_>, report: &C1mReport) -> fmt::Result {
    let describe = |environment: &Environment| {
        let gib = mib(environment.memory_bytes) / 1024.0;
        format!(
            "{} cores of {}, {gib:.1} GiB, Linux {}",
            environment.cores, environment.cpu, environment.kernel
        )
    };
    let clients = describe(&report.environment);
    let Some(server) = &report.server_environment else {
        return writeln!(f, "{clients}; server and clients on the one machine.");
    };
    writeln!(f, "Server: {}.", describe(server))?;
    let others = report.other_environments.iter().map(describe);
    for clients in [clients].into_iter().chain(others) {
        writeln!(f, "Clients: {clients}.")?;
    }
    if report.sharing_kernel > 0 {
        writeln!(
            f,
            "\nLoad machines that are only namespaces of the server's machine, on its kernel and cores: {}.",
            report.sharing_kernel
        )?;
    }
    if let Some(Part { session, machine }) = &report.part {
        writeln!(
            f,
            "\nThis is the report of load machine {machine} in session {session}: latencies, and what failed or was lost, are those of \
             its own connections, everything else is of all. `throng-bench merge` puts the reports of all together."
        )?;
    }
    Ok(())
}

fn table(f: &mut Formatter<'_>, run: &RunReport) -> fmt::Result {
    let RunReport { floor, throng, .. } = run;
    writeln!(f, "| | throng | floor | ratio |\n|---|---:|---:|---:|")?;
    for figure in &FIGURES {
        let Some(throng) = (figure.of)(throng) else { continue };
        let floor = floor.as_ref().and_then(figure.of);
        let ratio = floor.and_then(|floor| ratio(throng, floor)).map(|ratio| number(ratio, 2));
        writeln!(
            f,
            "| {} | {} | {} | {} |",
            figure.name,
            figure.show(throng),
            floor.map(|floor| figure.show(floor)).unwrap_or_default(),
            ratio.unwrap_or_default()
        )?;
    }
    Ok(())
}

fn goal_row(f: &mut Formatter<'_>, goal: &Goal) -> fmt::Result {
    let met = if goal.is_met() { "met" } else { "**missed**" };
    writeln!(f, "| {}: at most {} | {:.3} | {met} |", goal.name, goal.most, goal.value)
}

fn sum_row(f: &mut Formatter<'_>, run: &RunReport) -> fmt::Result {
    let Some(sum) = run.throng.sum.as_ref().filter(|_| run.connections >= LEAST_CONNECTIONS) else {
        return Ok(());
    };
    let met = if sum.is_met() { "met" } else { "**missed**" };
    writeln!(
        f,
        "| user and kernel memory explain what the machine has less, within {:.0} % | {:.1} % | {met} |",
        SumOfParts::GOAL * 100.0,
        sum.explained * 100.0
    )
}

fn rounds(f: &mut Formatter<'_>, run: &RunReport) -> fmt::Result {
    writeln!(
        f,
        "\nOf {} rounds the table above shows the one in the middle by the ratio of ping cycles, and the ratios that are asked \
         for are medians:\n",
        run.rounds.len()
    )?;
    writeln!(
        f,
        "| round | handshake | floor | ratio | ping cycle | floor | ratio |\n|---|---:|---:|---:|---:|---:|---:|"
    )?;
    for (round, number) in run.rounds.iter().zip(1..) {
        write!(f, "| {number}{} ", if round.throng_first { ", throng first" } else { "" })?;
        for of in [|costs: &Costs| Some(costs.handshake_us), |costs: &Costs| costs.ping_cycle_us] {
            let (throng, floor) = (of(&round.throng), round.floor.as_ref().and_then(of));
            let us = |value: Option<f64>| value.map(|value| format!("{value:.2} us")).unwrap_or_default();
            let ratio = throng.zip(floor).map(|(throng, floor)| format!("{:.2}", throng / floor));
            write!(f, "| {} | {} | {} ", us(throng), us(floor), ratio.unwrap_or_default())?;
        }
        writeln!(f, "|")?;
    }
    Ok(())
}

/// Kernel memory by cache, folded away.
fn caches(f: &mut Formatter<'_>, run: &RunReport) -> fmt::Result {
    let Some(kernel) = &run.throng.kernel else { return Ok(()) };
    writeln!(f, "\n<details><summary>Kernel memory of a connection by slab cache</summary>\n")?;
    writeln!(f, "| cache | bytes | |\n|---|---:|---|")?;
    for cache in kernel.caches.iter().filter(|cache| cache.side != Side::Unrelated) {
        let mut note = match cache.side {
            Side::Client => "the client's only".to_owned(),
            Side::Either => "half of what both ends took".to_owned(),
            Side::Both | Side::Unrelated => String::new(),
        };
        if !cache.merged_with.is_empty() {
            let comma = if note.is_empty() { "" } else { "; " };
            write!(note, "{comma}the kernel keeps {} in it too", cache.merged_with.join(", "))?;
        }
        writeln!(f, "| {} | {:.1} | {note} |", cache.name, cache.server_bytes_per_connection)?;
    }
    if let Some(check) = &run.throng.cgroup {
        let what = match check.charges {
            Charges::All => "",
            Charges::AllButSockets => ", the sockets themselves (TCP) left out",
        };
        writeln!(
            f,
            "\nThe server's control group was charged with {:.0} B a connection where the slabs say {:.0} B{what}.",
            check.bytes_per_connection, check.slab_bytes_per_connection
        )?;
    }
    if let Some(sum) = &run.throng.sum {
        writeln!(
            f,
            "\nSlabs and user memory of both ends sum up to {:.0} B a connection. `MemAvailable` fell by {:.0} B, while slabs \
             that it takes for available though they are in use grew by {:.0} B; free memory and page cache fell by {:.0} B.",
            sum.sum, sum.available_fell, sum.reclaimable_grew, sum.free_fell
        )?;
    }
    writeln!(f, "\n</details>")
}

fn environment(f: &mut Formatter<'_>, title: &str, environment: &Environment) -> fmt::Result {
    writeln!(f, "\n## {title}\n\n```\n{}\n```\n", environment.command.join(" "))?;
    let commit = environment.commit.as_deref().unwrap_or("unknown");
    writeln!(
        f,
        "Version {}, commit {commit}; {} descriptors a table.",
        environment.version, environment.descriptors
    )?;
    writeln!(f, "\n| setting | value |\n|---|---|")?;
    environment.sysctls.iter().try_for_each(|(name, value)| writeln!(f, "| `{name}` | {value} |"))
}
