//! Rounds put together: cell by cell, servers held against each other.

use super::cells::{Cell, Figure};
use super::report::{Entry, Measured, Row};
use crate::measure::spread::Spread;
use crate::report::figure::ratio;

/// The server that is held against the others, and what it cannot be below.
pub(super) const THRONG: &str = "throng";
pub(super) const FLOOR: &str = "floor";
/// How the names of other floors begin: those of `--peers` and `--peer` that do no more than a floor, and are none of throng's peers.
const ANOTHER_FLOOR: &str = "floor-";

/// Puts the measurements of all cells together.
pub(super) fn rows(cells: &[Cell], servers: &[String], measurements: &[Measured]) -> Vec<Row> {
    let rows = cells.iter().flat_map(|&cell| {
        cell.compared().iter().map(move |&figure| row(cell, figure, servers, measurements))
    });
    rows.collect()
}

fn row(cell: Cell, figure: Figure, servers: &[String], measurements: &[Measured]) -> Row {
    let key = cell.to_string();
    let of_cell: Vec<&Measured> = measurements.iter().filter(|measured| measured.cell == key).collect();
    let entries: Vec<Entry> = servers.iter().map(|server| entry(server, figure, &of_cell)).collect();
    let best = |may: fn(&str) -> bool| {
        let measured = entries.iter().filter(|entry| may(&entry.server) && entry.value.is_some());
        measured.min_by(|a, b| a.median().total_cmp(&b.median()))
    };
    let over = |entry: &Entry| Some(entry.throng_over?.median);
    let best_peer = best(is_peer);
    Row {
        column: cell.column().name().to_owned(),
        cell: key,
        figure: figure.name.to_owned(),
        unit: figure.unit.to_owned(),
        over_floor: entries.iter().find(|entry| entry.server == FLOOR).and_then(over),
        over_best_peer: best_peer.and_then(over),
        best_peer: best_peer.map(|entry| entry.server.clone()),
        winner: best(|server| !is_floor(server)).map(|entry| entry.server.clone()),
        servers: entries,
    }
}

/// Whether it is no server but what one cannot be below.
pub(super) fn is_floor(server: &str) -> bool {
    server == FLOOR || server.starts_with(ANOTHER_FLOOR)
}

/// Whether it is another server than throng.
pub(super) fn is_peer(server: &str) -> bool {
    server != THRONG && !is_floor(server)
}

fn entry(server: &str, figure: Figure, of_cell: &[&Measured]) -> Entry {
    let of_server = || of_cell.iter().filter(|measured| measured.server == server);
    let good = |measured: &Measured| {
        measured.figures.get(figure.name).copied().filter(|_| measured.failure.is_none())
    };
    let values: Vec<f64> = of_server().filter_map(|measured| good(measured)).collect();
    let over = of_server().filter(|_| server != THRONG).filter_map(|other| {
        let is_throng = |one: &&&Measured| one.server == THRONG && one.round == other.round;
        ratio(good(of_cell.iter().find(is_throng)?)?, good(other)?)
    });
    let throng_over = Spread::of(over);
    let mut failures: Vec<String> = Vec::new();
    for failure in of_server().filter_map(|measured| measured.failure.as_ref()) {
        if !failures.contains(failure) {
            failures.push(failure.clone());
        }
    }
    Entry {
        server: server.to_owned(),
        rounds: u32::try_from(values.len()).unwrap_or(u32::MAX),
        value: Spread::of(values),
        failures,
        unable: of_server().find_map(|measured| measured.unable.clone()),
        is_tie: is_peer(server) && throng_over.is_some_and(|over| over.min <= 1.0 && over.max >= 1.0),
        throng_over,
    }
}

impl Entry {
    fn median(&self) -> f64 {
        self.value.map_or(f64::INFINITY, |value| value.median)
    }
}

impl Row {
    /// What a server came to.
    pub(super) fn of(&self, server: &str) -> Option<Spread> {
        self.servers.iter().find(|entry| entry.server == server)?.value
    }

    /// throng over others, round by round.
    pub(super) fn over(&self, others: fn(&str) -> bool) -> impl Iterator<Item = (&str, Spread)> {
        let others = self.servers.iter().filter(move |entry| others(&entry.server));
        others.filter_map(|entry| Some((&entry.server[..], entry.throng_over?)))
    }

    /// The cell, and the figure where there are several.
    pub(super) fn name(&self) -> String {
        if self.figure == "cpu_us" { self.cell.clone() } else { format!("{}, {}", self.cell, self.figure) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CELL: Cell = Cell::Echo { connections: 64, depth: 1, size: 20 };

    fn measured(server: &str, round: u32, cpu: f64) -> Measured {
        Measured {
            cell: CELL.to_string(),
            server: server.to_owned(),
            round,
            figures: BTreeMap::from([("cpu_us".to_owned(), cpu)]),
            ..Measured::default()
        }
    }

    fn row_of(measurements: &[Measured]) -> Row {
        let servers = ["throng", "floor", "a", "b", "c"].map(str::to_owned);
        rows(&[CELL], &servers, measurements).remove(0)
    }

    #[test]
    fn servers_are_held_against_each_other_round_by_round() {
        let mut all = Vec::new();
        for (server, values) in [
            ("throng", [3.0, 6.0, 3.3]),
            ("floor", [2.0, 5.0, 3.0]),
            ("a", [3.15, 5.0, 3.5]),
            ("b", [9.0, 9.1, 9.2]),
        ] {
            all.extend((1..).zip(values).map(|(round, value)| measured(server, round, value)));
        }
        let row = row_of(&all);
        let floor = row.servers[1].throng_over.unwrap();
        assert_eq!((floor.min, floor.median, floor.max), (3.3 / 3.0, 1.2, 1.5));
        assert_eq!((row.over_floor, row.best_peer.as_deref()), (Some(1.2), Some("a")));
        assert_eq!((row.over_best_peer, row.winner.as_deref()), (Some(3.0 / 3.15), Some("throng")));
        assert_eq!(row.servers[0].throng_over, None);
        let ties: Vec<(&str, bool)> =
            row.servers.iter().map(|entry| (&entry.server[..], entry.is_tie)).collect();
        assert_eq!(ties, [("throng", false), ("floor", false), ("a", true), ("b", false), ("c", false)]);
        assert_eq!(row.of("c"), None);
    }

    #[test]
    fn what_failed_is_no_figure() {
        let failed =
            |round, reason: &str| Measured { failure: Some(reason.to_owned()), ..measured("a", round, 0.1) };
        let all = [measured("a", 1, 4.0), failed(2, "it died"), failed(3, "it died"), measured("b", 1, 5.0)];
        let row = row_of(&all);
        let a = &row.servers[2];
        assert_eq!(
            (a.value.unwrap().median, a.rounds, &a.failures[..]),
            (4.0, 1, &["it died".to_owned()][..])
        );
        assert_eq!((row.over_floor, row.over_best_peer, row.winner.as_deref()), (None, None, Some("a")));
    }
}
