//! Rounds put together: cell by cell, servers held against each other.

use serde::{Deserialize, Serialize};

use super::cells::{Cell, Figure};
use super::report::Measured;
use crate::measure::spread::Spread;

/// The server that is held against the others, and what it cannot be below.
pub(super) const THRONG: &str = "throng";
pub(super) const FLOOR: &str = "floor";
/// How the names of other floors begin: those of `--peers` and `--peer` that do no more than a floor, and are none of throng's peers.
const ANOTHER_FLOOR: &str = "floor-";

/// One figure of one cell. Less of it is better.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The column: `idle`, `echo`, `broadcast`, `connect` or `pings`.
    pub(crate) column: String,
    /// The cell.
    pub(crate) cell: String,
    /// The figure's name.
    pub(crate) figure: String,
    /// Its unit.
    pub(crate) unit: String,
    /// What each server came to, in the order of the servers.
    pub(crate) servers: Vec<Entry>,
    /// throng's median over the floor's.
    pub(crate) over_floor: Option<f64>,
    /// The server with the least median that is neither throng nor the floor.
    pub(crate) best_peer: Option<String>,
    /// throng's median over that of the best peer.
    pub(crate) over_best_peer: Option<f64>,
    /// The server with the least median but the floor.
    pub(crate) winner: Option<String>,
}

/// One server in a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The server.
    pub(crate) server: String,
    /// The figure over the rounds that went well; `None` where there is none.
    pub(crate) value: Option<Spread>,
    /// Rounds in it.
    pub(crate) rounds: u32,
    /// What went wrong in other rounds, each thing once.
    pub(crate) failures: Vec<String>,
    /// Why the server cannot do it.
    pub(crate) unable: Option<String>,
    /// Where both were measured and this is neither throng nor the floor: whether its spread and throng's overlap, so that neither is ahead.
    pub(crate) is_tie: bool,
}

/// Whether two figures cannot be told apart by their rounds.
pub(super) fn overlap(a: Spread, b: Spread) -> bool {
    a.min <= b.max && b.min <= a.max
}

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
    let mut entries: Vec<Entry> = servers.iter().map(|server| entry(server, figure, &of_cell)).collect();
    let value = |name: &str, entries: &[Entry]| {
        entries.iter().find(|entry| entry.server == name).and_then(|entry| entry.value)
    };
    let (throng, floor) = (value(THRONG, &entries), value(FLOOR, &entries));
    for entry in entries.iter_mut().filter(|entry| is_peer(&entry.server)) {
        entry.is_tie = entry.value.zip(throng).is_some_and(|(peer, throng)| overlap(peer, throng));
    }
    let best = |may: fn(&str) -> bool| {
        let measured = entries.iter().filter(|entry| may(&entry.server));
        let measured = measured.filter_map(|entry| Some((entry.server.clone(), entry.value?.median)));
        measured.min_by(|a, b| a.1.total_cmp(&b.1))
    };
    let best_peer = best(is_peer);
    let over = |median: f64| throng.map(|throng| throng.median / median).filter(|ratio| ratio.is_finite());
    Row {
        column: cell.column().name().to_owned(),
        cell: key,
        figure: figure.name.to_owned(),
        unit: figure.unit.to_owned(),
        over_floor: floor.and_then(|floor| over(floor.median)),
        over_best_peer: best_peer.as_ref().and_then(|(_, median)| over(*median)),
        best_peer: best_peer.map(|(server, _)| server),
        winner: best(|server| !is_floor(server)).map(|(server, _)| server),
        servers: entries,
    }
}

/// Whether it is no server but what one cannot be below.
pub(super) fn is_floor(server: &str) -> bool {
    server == FLOOR || server.starts_with(ANOTHER_FLOOR)
}

fn is_peer(server: &str) -> bool {
    server != THRONG && !is_floor(server)
}

fn entry(server: &str, figure: Figure, of_cell: &[&Measured]) -> Entry {
    let of_server = || of_cell.iter().filter(|measured| measured.server == server);
    let good = of_server().filter(|measured| measured.failure.is_none());
    let values: Vec<f64> = good.filter_map(|measured| measured.figures.get(figure.name).copied()).collect();
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
        is_tie: false,
    }
}

impl Row {
    /// What a server came to.
    pub(super) fn of(&self, server: &str) -> Option<Spread> {
        self.servers.iter().find(|entry| entry.server == server)?.value
    }

    /// What each floor came to.
    pub(super) fn floors(&self) -> impl Iterator<Item = (&str, Spread)> {
        let floors = self.servers.iter().filter(|entry| is_floor(&entry.server));
        floors.filter_map(|entry| Some((&entry.server[..], entry.value?)))
    }

    /// What other servers than throng and the floor came to.
    pub(super) fn peers(&self) -> impl Iterator<Item = (&str, Spread)> {
        let peers = self.servers.iter().filter(|entry| is_peer(&entry.server));
        peers.filter_map(|entry| Some((&entry.server[..], entry.value?)))
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
    fn medians_are_held_against_each_other() {
        let mut all = Vec::new();
        for (server, values) in [
            ("throng", [3.0, 3.2, 3.1]),
            ("floor", [2.9, 2.8, 2.7]),
            ("a", [3.15, 3.3, 3.2]),
            ("b", [9.0, 9.1, 9.2]),
        ] {
            all.extend((1..).zip(values).map(|(round, value)| measured(server, round, value)));
        }
        let row = row_of(&all);
        assert_eq!((row.over_floor, row.best_peer.as_deref()), (Some(3.1 / 2.8), Some("a")));
        assert_eq!((row.over_best_peer, row.winner.as_deref()), (Some(3.1 / 3.2), Some("throng")));
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
