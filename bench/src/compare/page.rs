//! The report for people, on a terminal and beside its files.

use std::fmt;

use super::args::Column;
use super::pictures;
use super::report::{Bar, CompareReport, Entry, Judged, Judgement, Measured, Row};
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;
use crate::report::page::{Page, ratio};
use crate::report::units::{number, plain};
use crate::report::{File, Report};

/// A measurement as it is told while others are still to come.
pub(super) struct Line<'a>(pub(super) &'a Measured);

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

impl Report for CompareReport {
    /// Whether all that was wanted has been measured and nothing went wrong.
    fn is_clean(&self) -> bool {
        self.is_complete() && self.measurements.iter().all(|measured| measured.failure.is_none())
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        Column::ALL.into_iter().for_each(|column| self.column(&mut page, column, &[]));
        judgement(&mut page, &self.judgement);
        self.oddities(&mut page);
        self.how(&mut page);
        page
    }

    fn document(&self, pictures: &[String]) -> Page {
        let mut page = Page::default();
        page.title(format!("Servers beside each other, {}", self.date));
        page.machine("machine", &self.environment);
        self.how(&mut page);
        judgement(&mut page, &self.judgement);
        for column in Column::ALL {
            self.column(&mut page, column, pictures);
            self.figures(&mut page, column);
        }
        self.oddities(&mut page);
        self.servers(&mut page);
        page.how("How it was run", &self.environment);
        page.words(
            "Every figure of every round is in [summary.json](summary.json); `docs/RESULTS.md` says what its fields mean.",
        );
        page
    }

    fn name(&self) -> String {
        format!("{}-compare", self.date)
    }

    fn files(&self) -> anyhow::Result<Vec<File>> {
        pictures::draw(self)
    }
}

impl CompareReport {
    fn how(&self, page: &mut Page) {
        page.words(format!(
            "Servers on core {}, the client on core {}; {} of {} rounds are complete, seed {}. Processor time is that of the \
             kernel's scheduler (/proc/PID/task/TID/schedstat), exact to about a tick for each look.",
            self.server_core, self.client_core, self.rounds_done, self.rounds, self.seed
        ));
        if !self.is_complete() {
            page.words(
                "**This report is not complete**: it was written before all rounds had been measured.",
            );
        }
    }

    fn of(&self, column: Column) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.column == column.name())
    }

    fn column(&self, page: &mut Page, column: Column, pictures: &[String]) {
        let Some(first) = self.of(column).next() else { return };
        page.heading(title(column));
        page.picture(title(column), pictures, &format!("{}.", column.name()));
        let unit = if column == Column::Idle {
            "bytes a connection"
        } else {
            "microseconds of the server's processor time"
        };
        page.words(format!(
            "Medians in {unit} with the least and the most; **bold** is the best but the floor, ~ cannot be told from throng."
        ));
        let servers = first.servers.iter().map(|entry| &entry.server[..]);
        let head = ["cell"].into_iter().chain(servers).chain(["over the floor", "over the best peer"]);
        let rows = self.of(column).map(|row| {
            let peer = row.best_peer.as_ref().map_or_else(String::new, |peer| format!(" ({peer})"));
            let cells = row.servers.iter().map(|entry| cell(entry, row));
            let over = [ratio(row.over_floor, 3), format!("{}{peer}", ratio(row.over_best_peer, 3))];
            [row.name()].into_iter().chain(cells).chain(over).collect()
        });
        page.table(head, rows.collect());
    }

    /// Everything else that was measured, folded away.
    fn figures(&self, page: &mut Page, column: Column) {
        let mut folded = Page::default();
        let mut cells: Vec<&str> = self.of(column).map(|row| &row.cell[..]).collect();
        cells.dedup();
        for cell in cells {
            let good = |one: &&Measured| one.cell == cell && one.failure.is_none();
            let of_cell: Vec<&Measured> = self.measurements.iter().filter(good).collect();
            let mut names: Vec<&str> =
                of_cell.iter().flat_map(|one| one.figures.keys().map(|name| &name[..])).collect();
            names.sort_unstable();
            names.dedup();
            let rows = self.servers.iter().filter(|_| !names.is_empty()).map(|note| {
                let medians = names.iter().map(|&name| {
                    let of_server = of_cell.iter().filter(|one| one.server == note.server);
                    let values = of_server.filter_map(|one| one.figures.get(name).copied());
                    Spread::of(values).map_or_else(String::new, |spread| plain(spread.median))
                });
                [note.server.clone()].into_iter().chain(medians).collect()
            });
            folded.table([cell].into_iter().chain(names.iter().copied()), rows.collect());
        }
        if self.of(column).next().is_some() {
            page.folded("Rates, latencies and other figures: medians", folded);
        }
    }

    fn oddities(&self, page: &mut Page) {
        let told = self.measurements.iter().flat_map(|measured| {
            let Measured { cell, server, round, failure, notes, .. } = measured;
            let failure = failure.iter().map(move |failure| {
                format!("**{server}, {cell}, round {round} failed**: {}", failure.replace('\n', " "))
            });
            failure.chain(notes.iter().map(move |note| format!("{server}, {cell}, round {round}: {note}")))
        });
        page.list("What went wrong, and what was odd", told);
    }

    fn servers(&self, page: &mut Page) {
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
        let rows = self.servers.iter().map(|note| {
            let command = format!("`{}`", note.command);
            vec![note.server.clone(), told(&note.version), told(&note.settings), command]
        });
        page.heading("The servers");
        page.table(["server", "version", "settings", "command"], rows.collect());
        page.list("Left out", self.left_out.iter().map(|one| format!("{}, {}", one.server, one.reason)));
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

/// What a server came to, in a cell.
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

fn judgement(page: &mut Page, judgement: &Judgement) {
    if judgement.is_empty() {
        return;
    }
    page.heading("What is asked of throng");
    let judged = judgement.bars.iter().filter(|bar| !bar.cells.is_empty()).map(bar_row);
    page.table(["asked", "at most", "the worst cell", ""], judged.collect());
    let cells = judgement.bars.iter().flat_map(|bar| bar.cells.iter().map(move |judged| (bar, judged)));
    let missed = cells.filter(|(_, judged)| judged.verdict != Verdict::Met).map(|(bar, judged)| {
        let Judged { cell, value, verdict } = judged;
        format!("{}: {cell} is {}, {}", bar.name, number(*value, 3), verdict.name())
    });
    page.list("Cells that are not met", missed);
    let behind = judgement.behind.iter().map(|one| {
        let tie = if one.is_tie { ", a tie: not in every round" } else { "" };
        format!("{}: throng is {} times {}{tie}", one.cell, number(one.ratio, 3), one.server)
    });
    page.list("Cells in which throng takes more than another server", behind);
    if let Some(median) = judgement.median_over_best_peer {
        let median = number(median, 3);
        page.words(format!("Over the cells of echoes throng's median ratio to the best peer is {median}."));
    }
    let winners = judgement.winners.iter().map(|(column, winners)| {
        let winners: Vec<String> =
            winners.iter().map(|(server, rows)| format!("{server} in {rows}")).collect();
        format!("{column}: {}", winners.join(", "))
    });
    page.list("Best but the floor", winners);
}

fn bar_row(bar: &Bar) -> Vec<String> {
    let worst = bar.cells.iter().max_by(|a, b| a.value.total_cmp(&b.value));
    let worst =
        worst.map_or_else(String::new, |judged| format!("{} ({})", number(judged.value, 3), judged.cell));
    let verdict = match bar.verdict {
        Some(Verdict::Missed) => "**missed**",
        Some(verdict) => verdict.name(),
        None => "",
    };
    vec![bar.name.clone(), number(bar.limit, 2), worst, verdict.to_owned()]
}
