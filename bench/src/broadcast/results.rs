//! The report as a directory of files.

use std::fmt::{self, Write};
use std::path::Path;

use super::compare::{FIGURES, RATIOS};
use super::report::{BroadcastReport, Measurement};
use crate::report::figure::{Figure, Spreads};
use crate::report::files::write as write_file;
use crate::report::json;
use crate::report::units::{mib, number, thousands};

/// Writes all files into a directory.
pub(super) fn write(report: &BroadcastReport, directory: &Path) -> anyhow::Result<()> {
    json::write_json(&directory.join("summary.json"), report)?;
    write_file(&directory.join("summary.md"), &Markdown(report).to_string())?;
    for measured in &report.rounds {
        let latencies = [
            ("delivery", Some(&measured.received.latency_us)),
            ("last", Some(&measured.last_us)),
            ("loop", measured.loop_us.as_ref()),
        ];
        for (what, latency) in latencies {
            if let Some(latency) = latency.filter(|latency| latency.count() > 0) {
                write_file(&directory.join(format!("{}-{what}.hgrm", label(measured))), &latency.hgrm())?;
            }
        }
    }
    Ok(())
}

/// What a measurement's files are called by.
fn label(measured: &Measurement) -> String {
    let mut label = String::new();
    for word in measured.server.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        // Writing to a string cannot fail.
        let _ = write!(label, "{word}-");
    }
    format!("{label}{}", measured.round)
}

struct Markdown<'a>(&'a BroadcastReport);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        writeln!(f, "# Broadcast, {}\n", report.date)?;
        let environment = &report.environment;
        writeln!(
            f,
            "`{}` on {} ({} cores, {} MiB, Linux {}), version {}.\n",
            environment.command.join(" "),
            environment.cpu,
            environment.cores,
            number(mib(environment.memory_bytes), 0),
            environment.kernel,
            environment.version
        )?;
        writeln!(f, "| server | {} |", FIGURES.map(|figure| figure.name).join(" | "))?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for server in &report.servers {
            let cells = FIGURES.map(|figure| cell(&figure, &server.figures));
            writeln!(f, "| {} | {} |", server.server, cells.join(" | "))?;
        }
        writeln!(
            f,
            "\nMedians over the rounds, with the least and the most; last, loop and user are the most of a round.\n"
        )?;
        if !report.comparisons.is_empty() {
            writeln!(f, "| server | beside | CPU | p50 | p99 | last |\n|---|---|---|---|---|---|")?;
        }
        for compared in &report.comparisons {
            let cells = RATIOS.map(|figure| cell(&figure, &compared.ratios));
            writeln!(f, "| {} | {} | {} |", compared.server, compared.beside, cells.join(" | "))?;
        }
        writeln!(f, "\n## Rounds\n\n```\n{report}```")?;
        let clean = report.rounds.iter().filter(|measured| measured.is_clean(report.connections)).count();
        writeln!(
            f,
            "\n{} of {} measurements were clean: every subscriber got every message once and in order.",
            thousands(clean as u64),
            thousands(report.rounds.len() as u64)
        )
    }
}

fn cell(figure: &Figure<Measurement>, spreads: &Spreads) -> String {
    let told = figure.spread(spreads);
    told.map_or_else(String::new, |[median, min, max]| format!("**{median}** ({min} to {max})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let rounds = vec![Measurement { server: "a".to_owned(), ..Measurement::default() }];
        let mut report = BroadcastReport { rounds, ..BroadcastReport::default() };
        report.summarize(&[("a".to_owned(), "a".to_owned())]);
        crate::report::documented::check(&report, 50);
    }

    #[test]
    fn labels_stand_in_file_names() {
        let labels = ["throng, drop-oldest, some deaf", "ws://127.0.0.1:9001/t-{n}", "floor"].map(|server| {
            label(&Measurement { server: server.to_owned(), round: 2, ..Measurement::default() })
        });
        assert_eq!(labels, ["throng-drop-oldest-some-deaf-2", "ws-127-0-0-1-9001-t-n-2", "floor-2"]);
    }
}
