//! `summary.md`.

use std::fmt::{self, Display, Formatter};

use super::args::Column;
use super::judge::{Bar, Behind, Judgement};
use super::report::{CompareReport, Measured, ServerNote};
use super::rows::{Entry, Row};
use super::text::plain;
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;
use crate::report::units::{mib, number};

/// The report for people who read it where its files are.
pub(super) struct Markdown<'a> {
    pub(super) report: &'a CompareReport,
    /// The names of the pictures.
    pub(super) pictures: &'a [&'a str],
}

impl Display for Markdown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let environment = &report.environment;
        writeln!(f, "# Servers beside each other, {}\n", report.date)?;
        writeln!(
            f,
            "{} cores of {}, {} MiB, Linux {}; servers on core {}, the client on core {}. {} of {} rounds, seed {}.",
            environment.cores,
            environment.cpu,
            number(mib(environment.memory_bytes), 0),
            environment.kernel,
            report.server_core,
            report.client_core,
            report.rounds_done,
            report.rounds,
            report.seed
        )?;
        if !report.is_complete() {
            writeln!(
                f,
                "\n**This report is not complete**: it was written before all rounds had been measured."
            )?;
        }
        judgement(f, &report.judgement)?;
        for column in Column::ALL {
            let rows: Vec<&Row> = report.rows.iter().filter(|row| row.column == column.name()).collect();
            self.column(f, column, &rows)?;
        }
        failures(f, &report.measurements)?;
        servers(f, report)?;
        self.environment(f)
    }
}

impl Markdown<'_> {
    fn column(&self, f: &mut Formatter<'_>, column: Column, rows: &[&Row]) -> fmt::Result {
        let Some(first) = rows.first() else { return Ok(()) };
        writeln!(f, "\n## {}\n", title(column))?;
        let picture = format!("{}.svg", column.name());
        if self.pictures.contains(&&picture[..]) {
            writeln!(f, "![{}]({picture})\n", title(column))?;
        }
        let names: Vec<&str> = first.servers.iter().map(|entry| &entry.server[..]).collect();
        writeln!(f, "| cell | {} | over the floor | over the best peer |", names.join(" | "))?;
        writeln!(f, "|---|{}---:|---:|", "---:|".repeat(names.len()))?;
        for row in rows {
            let cells: Vec<String> = row.servers.iter().map(|entry| cell(entry, row)).collect();
            let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| number(ratio, 3));
            let peer = row.best_peer.as_ref().map_or_else(String::new, |peer| format!(" ({peer})"));
            writeln!(
                f,
                "| {} | {} | {} | {}{peer} |",
                row.name(),
                cells.join(" | "),
                ratio(row.over_floor),
                ratio(row.over_best_peer)
            )?;
        }
        writeln!(
            f,
            "\nMedians in {} with the least and the most; **bold** is the best but the floor, ~ cannot be told from throng.",
            if column == Column::Idle {
                "bytes a connection"
            } else {
                "microseconds of the server's processor time"
            }
        )?;
        self.figures(f, rows)
    }

    /// Everything else that was measured, folded away.
    fn figures(&self, f: &mut Formatter<'_>, rows: &[&Row]) -> fmt::Result {
        writeln!(f, "\n<details><summary>Rates, latencies and other figures: medians</summary>")?;
        let mut told: Vec<&str> = Vec::new();
        for row in rows {
            if told.contains(&&row.cell[..]) {
                continue;
            }
            told.push(&row.cell);
            let of_cell: Vec<&Measured> = self
                .report
                .measurements
                .iter()
                .filter(|one| one.cell == row.cell && one.failure.is_none())
                .collect();
            let mut names: Vec<&String> = of_cell.iter().flat_map(|one| one.figures.keys()).collect();
            names.sort();
            names.dedup();
            if names.is_empty() {
                continue;
            }
            let titles: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            writeln!(f, "\n| {} | {} |", row.cell, titles.join(" | "))?;
            writeln!(f, "|---|{}", "---:|".repeat(names.len()))?;
            for entry in &row.servers {
                let of_server = || of_cell.iter().filter(|one| one.server == entry.server);
                let median = |name: &&String| {
                    let values = of_server().filter_map(|one| one.figures.get(*name).copied());
                    Spread::of(values).map_or_else(String::new, |spread| plain(spread.median))
                };
                let medians: Vec<String> = names.iter().map(median).collect();
                writeln!(f, "| {} | {} |", entry.server, medians.join(" | "))?;
            }
        }
        writeln!(f, "\n</details>")
    }

    fn environment(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let environment = &self.report.environment;
        writeln!(f, "\n## How it was run\n\n```\n{}\n```\n", environment.command.join(" "))?;
        let commit = environment.commit.as_deref().unwrap_or("unknown");
        writeln!(
            f,
            "Version {}, commit {commit}; {} descriptors a table. Processor time is that of the kernel's scheduler \
             (/proc/PID/task/TID/schedstat), exact to about a tick for each look.\n",
            environment.version, environment.descriptors
        )?;
        writeln!(f, "| setting | value |\n|---|---|")?;
        environment.sysctls.iter().try_for_each(|(name, value)| writeln!(f, "| `{name}` | {value} |"))?;
        writeln!(
            f,
            "\nEvery figure of every round is in [summary.json](summary.json); `docs/RESULTS.md` says what its fields mean."
        )
    }
}

const fn title(column: Column) -> &'static str {
    match column {
        Column::Idle => "User memory of idle connections",
        Column::Echo => "Echoes: connections x depth x bytes",
        Column::Broadcast => "Broadcast",
        Column::Connect => "Handshakes and churn",
        Column::Pings => "Ping cycles",
    }
}

fn cell(entry: &Entry, row: &Row) -> String {
    let mut cell = match (entry.value, &entry.unable) {
        (Some(Spread { median, min, max }), _) => {
            let mark = if row.winner.as_deref() == Some(&entry.server) { "**" } else { "" };
            let tie = if entry.is_tie { " ~" } else { "" };
            format!("{mark}{}{mark} ({} to {}){tie}", plain(median), plain(min), plain(max))
        }
        (None, Some(reason)) => reason.clone(),
        (None, None) => "-".to_owned(),
    };
    if !entry.failures.is_empty() {
        cell.push_str(" **failed**");
    }
    cell
}

fn judgement(f: &mut Formatter<'_>, judgement: &Judgement) -> fmt::Result {
    if judgement.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n## What is asked of throng\n\n| asked | at most | the worst cell | |\n|---|---:|---:|---|"
    )?;
    for bar in judgement.bars.iter().filter(|bar| !bar.cells.is_empty()) {
        writeln!(f, "{}", bar_row(bar))?;
    }
    let missed = judgement.bars.iter().flat_map(|bar| bar.cells.iter().map(move |judged| (bar, judged)));
    let missed: Vec<_> = missed.filter(|(_, judged)| judged.verdict != Verdict::Met).collect();
    if !missed.is_empty() {
        writeln!(f, "\nCells that are not met:\n")?;
    }
    for (bar, judged) in missed {
        writeln!(
            f,
            "- {}: {} is {}, {}",
            bar.name,
            judged.cell,
            number(judged.value, 3),
            judged.verdict.name()
        )?;
    }
    if !judgement.behind.is_empty() {
        writeln!(f, "\nCells in which another server's median is less:\n")?;
    }
    for Behind { cell, server, ratio, is_tie } in &judgement.behind {
        let tie = if *is_tie { ", a tie: the spreads overlap" } else { "" };
        writeln!(f, "- {cell}: throng is {} times {server}{tie}", number(*ratio, 3))?;
    }
    if let Some(median) = judgement.median_over_best_peer {
        writeln!(
            f,
            "\nOver the cells of echoes throng's median ratio to the best peer is {}.",
            number(median, 3)
        )?;
    }
    for (column, winners) in &judgement.winners {
        let winners: Vec<String> =
            winners.iter().map(|(server, rows)| format!("{server} in {rows}")).collect();
        writeln!(f, "\nBest but the floor, {column}: {}.", winners.join(", "))?;
    }
    Ok(())
}

fn bar_row(bar: &Bar) -> String {
    let worst = bar.cells.iter().max_by(|a, b| a.value.total_cmp(&b.value));
    let worst =
        worst.map_or_else(String::new, |judged| format!("{} ({})", number(judged.value, 3), judged.cell));
    let verdict = match bar.verdict {
        Some(Verdict::Missed) => "**missed**",
        Some(verdict) => verdict.name(),
        None => "",
    };
    format!("| {} | {} | {worst} | {verdict} |", bar.name, number(bar.limit, 2))
}

fn failures(f: &mut Formatter<'_>, measurements: &[Measured]) -> fmt::Result {
    let told = |measured: &Measured| measured.failure.is_some() || !measured.notes.is_empty();
    if !measurements.iter().any(told) {
        return Ok(());
    }
    writeln!(f, "\n## What went wrong, and what was odd\n")?;
    for measured in measurements {
        let Measured { cell, server, round, failure, notes, .. } = measured;
        if let Some(failure) = failure {
            writeln!(f, "- **{server}, {cell}, round {round} failed**: {}", failure.replace('\n', " "))?;
        }
        for note in notes {
            writeln!(f, "- {server}, {cell}, round {round}: {note}")?;
        }
    }
    Ok(())
}

fn servers(f: &mut Formatter<'_>, report: &CompareReport) -> fmt::Result {
    writeln!(f, "\n## The servers\n\n| server | version | settings | command |\n|---|---|---|---|")?;
    for ServerNote { server, version, settings, command } in &report.servers {
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
        writeln!(f, "| {server} | {} | {} | `{command}` |", told(version), told(settings))?;
    }
    for left_out in &report.left_out {
        writeln!(f, "\nLeft out: {}, {}.", left_out.server, left_out.reason)?;
    }
    Ok(())
}
