//! The report for people on a terminal.

use std::fmt;

use super::judge::Judged;
use super::report::{CompareReport, Measured};
use super::rows::{Entry, Row};
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;
use crate::report::units::number;

/// A measurement as it is told while others are still to come.
pub(super) struct Line<'a>(pub(super) &'a Measured);

/// The report.
pub(super) struct Text<'a>(pub(super) &'a CompareReport);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { cell, server, figures, failure, unable, notes, .. } = self.0;
        write!(f, "{cell:<22} {server:<22}")?;
        if let Some(reason) = failure {
            return write!(f, " FAILED: {reason}");
        }
        if let Some(reason) = unable {
            return write!(f, " - {reason}");
        }
        for (name, value) in figures {
            write!(f, "  {name} {}", plain(*value))?;
        }
        notes.iter().try_for_each(|note| write!(f, "  ({note})"))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let width = report.servers.iter().map(|note| note.server.len()).max().unwrap_or(0).max(12);
        for row in &report.rows {
            writeln!(f, "{} ({})", row.name(), row.unit)?;
            for entry in &row.servers {
                writeln!(f, "  {:<width$} {}", entry.server, told(entry))?;
            }
            ratios(f, row)?;
        }
        writeln!(f)?;
        for bar in &report.judgement.bars {
            let verdict = bar.verdict.map_or("not measured", Verdict::name);
            writeln!(f, "{verdict:<13} {}: at most {}", bar.name, number(bar.limit, 2))?;
            for Judged { cell, value, verdict } in &bar.cells {
                if *verdict != Verdict::Met {
                    writeln!(f, "  {:<11} {cell}: {}", verdict.name(), plain(*value))?;
                }
            }
        }
        for behind in &report.judgement.behind {
            let tie = if behind.is_tie { ", a tie" } else { "" };
            writeln!(
                f,
                "behind        {} in {}: {}x{tie}",
                behind.server,
                behind.cell,
                number(behind.ratio, 3)
            )?;
        }
        for (column, winners) in &report.judgement.winners {
            let winners: Vec<String> =
                winners.iter().map(|(server, rows)| format!("{server} {rows}")).collect();
            writeln!(f, "best          {column}: {}", winners.join(", "))?;
        }
        if !report.is_complete() {
            writeln!(f, "{} of {} rounds are complete", report.rounds_done, report.rounds)?;
        }
        let clock = "processor time is that of the kernel's scheduler, exact to about a tick for each look";
        writeln!(f, "{clock}; seed {}", report.seed)
    }
}

fn ratios(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    if let Some(over) = row.over_floor {
        write!(f, "  throng is {}x the floor", number(over, 3))?;
    }
    if let (Some(over), Some(peer)) = (row.over_best_peer, &row.best_peer) {
        let lead = if row.over_floor.is_some() { ", " } else { "  throng is " };
        write!(f, "{lead}{}x the best peer, {peer}", number(over, 3))?;
    }
    if row.over_floor.is_some() || row.over_best_peer.is_some() { writeln!(f) } else { Ok(()) }
}

/// What a server came to, in a cell.
pub(super) fn told(entry: &Entry) -> String {
    let mut told = match (entry.value, &entry.unable) {
        (Some(Spread { median, min, max }), _) => {
            format!("{} ({} to {})", plain(median), plain(min), plain(max))
        }
        (None, Some(reason)) => reason.clone(),
        (None, None) if entry.failures.is_empty() => "not measured".to_owned(),
        (None, None) => String::new(),
    };
    if entry.is_tie {
        told.push_str(" tie");
    }
    if !entry.failures.is_empty() {
        told.push_str(&format!(" FAILED: {}", entry.failures.join("; ")));
    }
    told
}

/// A figure with as many digits as tell something.
pub(super) fn plain(value: f64) -> String {
    let digits = match value.abs() {
        1_000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    number(value, digits)
}
