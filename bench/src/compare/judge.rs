//! What throng is held to, and whether it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::{FLOOR, Row, THRONG};
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;

/// Most user bytes of an idle connection, before and after it has echoed.
pub(super) const IDLE_BYTES: f64 = 48.0;
/// Most of the floor's processor time for an echo, in every cell.
pub(super) const ECHO_OVER_FLOOR: f64 = 1.10;
/// Most of any peer's processor time for an echo, in every cell.
pub(super) const ECHO_OVER_PEER: f64 = 1.00;
/// Most of the best peer's processor time for an echo, in the cell in the middle.
pub(super) const ECHO_OVER_BEST_PEER: f64 = 0.95;
/// Most of the floor's processor time for a delivery, one message at a time.
pub(super) const BROADCAST_OVER_FLOOR: f64 = 1.10;
/// Most microseconds of processor time for a delivery, sixteen messages in flight.
pub(super) const BROADCAST_US: f64 = 0.3;
/// Most of the floor's processor time for a handshake.
pub(super) const HANDSHAKE_OVER_FLOOR: f64 = 1.10;
/// Most of the floor's processor time for a Ping and its Pong.
pub(super) const PING_OVER_FLOOR: f64 = 1.20;

/// How throng stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    /// What it is held to.
    pub(crate) bars: Vec<Bar>,
    /// Where it is above another server, in any cell; ties among them.
    pub(crate) behind: Vec<Behind>,
    /// Over the cells of echoes: the median of its ratio to the best peer.
    pub(crate) median_over_best_peer: Option<f64>,
    /// In how many of its rows each server is the best but the floor, by column.
    pub(crate) winners: BTreeMap<String, BTreeMap<String, u32>>,
}

/// One thing that it is held to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bar {
    /// What is bounded, for people.
    pub(crate) name: String,
    /// At most so much.
    pub(crate) limit: f64,
    /// The worst of the cells; `None` where none was measured.
    pub(crate) verdict: Option<Verdict>,
    /// Each of them.
    pub(crate) cells: Vec<Judged>,
}

/// One cell under a bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The cell, and the other server where there are several.
    pub(crate) cell: String,
    /// The figure, or the ratio to another server's.
    pub(crate) value: f64,
    /// How it stands.
    pub(crate) verdict: Verdict,
}

/// A cell in which another server's median is less.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Behind {
    /// The cell, with the figure where there are several.
    pub(crate) cell: String,
    /// The other server.
    pub(crate) server: String,
    /// throng's median over the other's.
    pub(crate) ratio: f64,
    /// Whether the spreads overlap.
    pub(crate) is_tie: bool,
}

/// Judges all rows.
pub(super) fn judge(rows: &[Row]) -> Judgement {
    let of = |beginning: &'static str| rows.iter().filter(move |row| row.cell.starts_with(beginning));
    let over_floors = |row: &Row, limit| {
        let throng = row.of(THRONG);
        let judged = row.floors().filter_map(move |(floor, value)| {
            let cell = if floor == FLOOR { row.cell.clone() } else { format!("{}, {floor}", row.cell) };
            over(cell, throng?, value, limit)
        });
        judged.collect::<Vec<_>>()
    };
    let over_floor = |beginning, limit| of(beginning).flat_map(|row| over_floors(row, limit)).collect();
    let over_peers = of("echo/").flat_map(|row| {
        let throng = row.of(THRONG);
        row.peers().filter_map(move |(peer, value)| {
            over(format!("{}, {peer}", row.cell), throng?, value, ECHO_OVER_PEER)
        })
    });
    let median = Spread::of(of("echo/").filter_map(|row| row.over_best_peer)).map(|spread| spread.median);
    let in_the_middle = median.map(|median| Judged {
        cell: "the one in the middle".to_owned(),
        value: median,
        verdict: if median <= ECHO_OVER_BEST_PEER { Verdict::Met } else { Verdict::Missed },
    });
    let at_most = |beginning, limit| {
        of(beginning).filter_map(move |row| Some(within(row.name(), row.of(THRONG)?, limit))).collect()
    };
    let bars = vec![
        Bar::new("idle user bytes a connection", IDLE_BYTES, at_most("idle/", IDLE_BYTES)),
        Bar::new("echo: CPU over the floor's", ECHO_OVER_FLOOR, over_floor("echo/", ECHO_OVER_FLOOR)),
        Bar::new("echo: CPU over any peer's", ECHO_OVER_PEER, over_peers.collect()),
        Bar::new(
            "echo: CPU over the best peer's, median of the cells",
            ECHO_OVER_BEST_PEER,
            in_the_middle.into_iter().collect(),
        ),
        Bar::new(
            "broadcast, one at a time: CPU over the floor's",
            BROADCAST_OVER_FLOOR,
            of("broadcast/1")
                .filter(|row| row.cell == "broadcast/1")
                .flat_map(|row| over_floors(row, BROADCAST_OVER_FLOOR))
                .collect(),
        ),
        Bar::new(
            "broadcast, sixteen in flight: CPU us a delivery",
            BROADCAST_US,
            at_most("broadcast/16", BROADCAST_US),
        ),
        Bar::new(
            "handshake: CPU over the floor's",
            HANDSHAKE_OVER_FLOOR,
            over_floor("connect/handshake", HANDSHAKE_OVER_FLOOR),
        ),
        Bar::new("ping cycle: CPU over the floor's", PING_OVER_FLOOR, over_floor("pings", PING_OVER_FLOOR)),
    ];
    Judgement { bars, behind: behind(rows), median_over_best_peer: median, winners: winners(rows) }
}

impl Bar {
    fn new(name: &str, limit: f64, cells: Vec<Judged>) -> Self {
        let verdict = cells.iter().map(|judged| judged.verdict).max();
        Self { name: name.to_owned(), limit, verdict, cells }
    }
}

/// A figure held against a limit.
fn within(cell: String, value: Spread, limit: f64) -> Judged {
    Judged { cell, value: value.median, verdict: Verdict::of(value, limit) }
}

/// A figure held against so many times another one; `None` where there is no ratio.
fn over(cell: String, value: Spread, other: Spread, limit: f64) -> Option<Judged> {
    let ratio = value.median / other.median;
    let verdict = match ratio {
        ratio if ratio <= limit => Verdict::Met,
        _ if value.min <= limit * other.max => Verdict::Tie,
        _ => Verdict::Missed,
    };
    ratio.is_finite().then_some(Judged { cell, value: ratio, verdict })
}

fn behind(rows: &[Row]) -> Vec<Behind> {
    let behind = rows.iter().flat_map(|row| {
        let throng = row.of(THRONG);
        row.peers().filter_map(move |(server, value)| {
            let over = over(row.name(), throng?, value, 1.0)?;
            let is_behind = over.verdict != Verdict::Met;
            is_behind.then(|| Behind {
                cell: over.cell,
                server: server.to_owned(),
                ratio: over.value,
                is_tie: over.verdict == Verdict::Tie,
            })
        })
    });
    behind.collect()
}

fn winners(rows: &[Row]) -> BTreeMap<String, BTreeMap<String, u32>> {
    let mut winners: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for row in rows {
        if let Some(winner) = &row.winner {
            *winners.entry(row.column.clone()).or_default().entry(winner.clone()).or_default() += 1;
        }
    }
    winners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::rows::Entry;

    fn row(cell: &str, figure: &str, values: &[(&str, f64, f64, f64)]) -> Row {
        let servers = values.iter().map(|&(server, min, median, max)| Entry {
            server: server.to_owned(),
            value: Some(Spread { median, min, max }),
            ..Entry::default()
        });
        Row {
            column: cell.split('/').next().unwrap().to_owned(),
            cell: cell.to_owned(),
            figure: figure.to_owned(),
            servers: servers.collect(),
            ..Row::default()
        }
    }

    fn verdicts(rows: &[Row], name: &str) -> Vec<(String, Verdict)> {
        let judged = judge(rows);
        let bar = judged.bars.iter().find(|bar| bar.name.starts_with(name)).unwrap();
        assert_eq!(bar.verdict, bar.cells.iter().map(|judged| judged.verdict).max());
        bar.cells.iter().map(|judged| (judged.cell.clone(), judged.verdict)).collect()
    }

    #[test]
    fn ratios_are_met_at_their_limit_and_overlapping_spreads_are_a_tie() {
        let rows = [
            row("echo/a", "cpu_us", &[("throng", 1.0, 1.1, 1.2), ("floor", 1.0, 1.0, 1.0)]),
            row("echo/b", "cpu_us", &[("throng", 1.1, 1.2, 1.3), ("floor", 0.9, 1.0, 1.1)]),
            row("echo/c", "cpu_us", &[("throng", 1.3, 1.4, 1.5), ("floor", 0.9, 1.0, 1.1)]),
        ];
        let cells = ["echo/a", "echo/b", "echo/c"].map(str::to_owned);
        let expected: Vec<_> = cells.into_iter().zip([Verdict::Met, Verdict::Tie, Verdict::Missed]).collect();
        assert_eq!(verdicts(&rows, "echo: CPU over the floor's"), expected);
    }

    #[test]
    fn every_floor_counts_and_none_is_a_peer() {
        let values = [("throng", 1.2, 1.2, 1.2), ("floor", 1.1, 1.1, 1.1), ("floor-c", 1.0, 1.0, 1.0)];
        let rows = [row("echo/a", "cpu_us", &values)];
        let expected = [("echo/a", Verdict::Met), ("echo/a, floor-c", Verdict::Missed)];
        let expected = expected.map(|(cell, verdict)| (cell.to_owned(), verdict));
        assert_eq!(verdicts(&rows, "echo: CPU over the floor's"), expected);
        assert_eq!(verdicts(&rows, "echo: CPU over any peer's"), []);
        assert_eq!(judge(&rows).behind, []);
    }

    #[test]
    fn every_peer_counts_in_every_cell() {
        let mut rows = [
            row(
                "echo/a",
                "cpu_us",
                &[("throng", 2.0, 2.0, 2.0), ("floor", 1.0, 1.0, 1.0), ("x", 1.9, 1.9, 1.9)],
            ),
            row("echo/b", "cpu_us", &[("throng", 2.0, 2.0, 2.0), ("x", 4.0, 4.0, 4.0), ("y", 1.5, 1.8, 2.1)]),
            row("pings", "cpu_us", &[("throng", 2.0, 2.0, 2.0), ("y", 1.0, 1.0, 1.0)]),
        ];
        rows[0].over_best_peer = Some(1.2);
        rows[1].over_best_peer = Some(0.5);
        rows[1].winner = Some("y".to_owned());
        let judged = judge(&rows);
        let behind: Vec<_> =
            judged.behind.iter().map(|one| (&one.cell[..], &one.server[..], one.is_tie)).collect();
        assert_eq!(behind, [("echo/a", "x", false), ("echo/b", "y", true), ("pings", "y", false)]);
        assert_eq!(judged.median_over_best_peer, Some(0.85));
        assert_eq!(verdicts(&rows, "echo: CPU over any peer's").len(), 3);
        assert_eq!(verdicts(&rows, "echo: CPU over the best peer's")[0].1, Verdict::Met);
        assert_eq!(judged.winners["echo"]["y"], 1);
    }

    #[test]
    fn figures_have_limits_of_their_own() {
        let rows = [
            row("idle/plain", "before_bytes", &[("throng", 34.0, 48.0, 50.0)]),
            row("idle/plain", "after_bytes", &[("throng", 48.1, 48.1, 48.1)]),
            row("broadcast/1", "cpu_us", &[("throng", 5.0, 5.0, 5.0), ("floor", 5.0, 5.0, 5.0)]),
            row("broadcast/16", "cpu_us", &[("throng", 0.29, 0.31, 0.32), ("floor", 0.1, 0.1, 0.1)]),
        ];
        let idle = [("idle/plain, before_bytes", Verdict::Met), ("idle/plain, after_bytes", Verdict::Missed)];
        assert_eq!(verdicts(&rows, "idle"), idle.map(|(cell, verdict)| (cell.to_owned(), verdict)));
        let one = [("broadcast/1".to_owned(), Verdict::Met)];
        assert_eq!(verdicts(&rows, "broadcast, one at a time"), one);
        assert_eq!(verdicts(&rows, "broadcast, sixteen"), [("broadcast/16".to_owned(), Verdict::Tie)]);
        assert_eq!(verdicts(&rows, "ping cycle"), []);
    }
}
