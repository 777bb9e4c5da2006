//! `summary.md`.

use std::fmt::{self, Display, Formatter, Write};

use super::ratios::Goal;
use super::report::{C1mReport, Measurement, Part, RunReport};
use super::results::label;
use super::rounds::Costs;
use crate::measure::account::{LEAST_CONNECTIONS, SumOfParts};
use crate::measure::cgroup::Charges;
use crate::measure::distribution::Distribution;
use crate::measure::environment::Environment;
use crate::measure::kernel::Side;
use crate::report::units::{mib, millis, number, thousands};

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
    let mut row = |name: &str, of: &dyn Fn(&Measurement) -> Option<f64>, digits: usize, unit: &str| {
        let floor = floor.as_ref().and_then(of);
        let Some(throng) = of(throng) else { return Ok(()) };
        let show = |value: f64| format!("{}{unit}", number(value, digits));
        let ratio = floor.filter(|&floor| floor > 0.0).map(|floor| format!("{:.2}", throng / floor));
        writeln!(
            f,
            "| {name} | {} | {} | {} |",
            show(throng),
            floor.map(show).unwrap_or_default(),
            ratio.unwrap_or_default()
        )
    };
    row("held to the end, by the clients' count", &|m| Some(held(m).0), 0, "")?;
    row("the same, by the server's", &|m| Some(held(m).1), 0, "")?;
    row("user memory a connection", &|m| Some(m.user.server_bytes_per_connection), 1, " B")?;
    row("user memory of the server in all", &|m| Some(mib(m.user.server_at_n)), 1, " MiB")?;
    let kernel = |m: &Measurement| Some(m.kernel.as_ref()?.server_bytes_per_connection);
    row("kernel memory a connection, the server's end", &kernel, 0, " B")?;
    row("time to open all", &|m| Some(m.ramp_seconds), 1, " s")?;
    row("opened a second", &|m| Some(m.connections_per_second), 0, "")?;
    row("server's processor time a handshake", &|m| Some(m.ramp_cpu.server_us_per_handshake), 2, " us")?;
    let hold = |of: fn(&super::report::Hold) -> f64| move |m: &Measurement| Some(of(m.hold.as_ref()?));
    row("server's processor time a ping cycle", &hold(|hold| hold.cpu_us_per_ping_cycle), 2, " us")?;
    row("cores of the server while holding", &hold(|hold| hold.server_cpu_cores), 3, "")?;
    latency_rows(&mut row, "handshake", &|m| Some(&m.handshake_us))?;
    latency_rows(&mut row, "ping round trip", &|m| Some(&m.hold.as_ref()?.ping_rtt_us))?;
    latency_rows(&mut row, "echo", &|m| Some(&m.probe.as_ref()?.latency_us))
}

type Row<'a> = dyn FnMut(&str, &dyn Fn(&Measurement) -> Option<f64>, usize, &str) -> fmt::Result + 'a;

fn latency_rows(
    row: &mut Row<'_>,
    name: &str,
    of: &dyn Fn(&Measurement) -> Option<&Distribution>,
) -> fmt::Result {
    for (percentile, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let value = |m: &Measurement| {
            let latency = of(m).filter(|latency| latency.count() > 0)?;
            Some(millis(latency.value_at(quantile)))
        };
        row(&format!("{name}, {percentile}"), &value, 2, " ms")?;
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

/// Connections held to the end, as the clients and as the server counted them.
fn held(measurement: &Measurement) -> (f64, f64) {
    let both =
        if measurement.hold.is_some() { measurement.open_after_hold } else { measurement.open_after_ramp };
    (both.client as f64, both.server as f64)
}
