//! What throng is held to, and whether it is.

use std::collections::BTreeMap;

use super::report::{Bar, Behind, Judged, Judgement, Row};
use super::rows::{FLOOR, THRONG, is_floor, is_peer};
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;

/// What a figure of throng is held against.
enum Against {
    /// Nothing: the limit is the figure's own.
    Nothing,
    /// Every floor in every cell.
    Floors,
    /// Every peer in every cell.
    Peers,
    /// The best peer of each cell, in the cell in the middle.
    BestPeer,
}

/// What throng is held to: for people, in which cells (all below one that ends with a slash), against what, and the most it may be.
const BARS: [(&str, &str, Against, f64); 8] = [
    ("idle user bytes a connection", "idle/", Against::Nothing, 48.0),
    ("echo: CPU over the floor's", "echo/", Against::Floors, 1.10),
    ("echo: CPU over any peer's", "echo/", Against::Peers, 1.00),
    ("echo: CPU over the best peer's, median of the cells", "echo/", Against::BestPeer, 0.95),
    ("broadcast, one at a time: CPU over the floor's", "broadcast/1", Against::Floors, 1.10),
    ("broadcast, sixteen in flight: CPU us a delivery", "broadcast/16", Against::Nothing, 0.3),
    ("handshake: CPU over the floor's", "connect/handshake", Against::Floors, 1.10),
    ("ping cycle: CPU over the floor's", "pings", Against::Floors, 1.20),
];

/// Judges all rows.
pub(super) fn judge(rows: &[Row]) -> Judgement {
    let bars = BARS.iter().map(|(name, cells, against, limit)| {
        let cells = judged(rows, cells, against, *limit);
        let verdict = cells.iter().map(|judged| judged.verdict).max();
        Bar { name: (*name).to_owned(), limit: *limit, verdict, cells }
    });
    Judgement {
        bars: bars.collect(),
        behind: behind(rows),
        median_over_best_peer: over_best_peers(rows).map(|over| over.median),
        winners: winners(rows),
    }
}

fn judged(rows: &[Row], cells: &str, against: &Against, limit: f64) -> Vec<Judged> {
    let rows =
        rows.iter().filter(|row| row.cell == cells || cells.ends_with('/') && row.cell.starts_with(cells));
    let one = |cell, value: Spread| Judged { cell, value: value.median, verdict: Verdict::of(value, limit) };
    match against {
        Against::Nothing => rows.filter_map(|row| Some(one(row.name(), row.of(THRONG)?))).collect(),
        Against::Floors => rows
            .flat_map(|row| {
                row.over(is_floor).map(|(floor, over)| {
                    one(
                        if floor == FLOOR { row.cell.clone() } else { format!("{}, {floor}", row.cell) },
                        over,
                    )
                })
            })
            .collect(),
        Against::Peers => rows
            .flat_map(|row| row.over(is_peer).map(|(peer, over)| one(format!("{}, {peer}", row.cell), over)))
            .collect(),
        Against::BestPeer => {
            let over = over_best_peers(rows).map(|over| Spread { min: over.median, ..over });
            over.into_iter().map(|over| one("the one in the middle".to_owned(), over)).collect()
        }
    }
}

/// throng over the best peer of each cell of echoes.
fn over_best_peers<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Option<Spread> {
    let echoes = rows.into_iter().filter(|row| row.cell.starts_with("echo/"));
    Spread::of(echoes.filter_map(|row| row.over_best_peer))
}

fn behind(rows: &[Row]) -> Vec<Behind> {
    let over = rows.iter().flat_map(|row| row.over(is_peer).map(move |(server, over)| (row, server, over)));
    let behind = over.filter(|(_, _, over)| over.median > 1.0);
    behind
        .map(|(row, server, over)| Behind {
            cell: row.name(),
            server: server.to_owned(),
            ratio: over.median,
            is_tie: over.min <= 1.0,
        })
        .collect()
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
    use crate::compare::report::Entry;

    /// What throng came to, and throng over others: the least, the median and the most of the rounds.
    fn row(cell: &str, figure: &str, values: &[(&str, f64, f64, f64)]) -> Row {
        let servers = values.iter().map(|&(server, min, median, max)| {
            let spread = Some(Spread { median, min, max });
            let (value, throng_over) = if server == THRONG { (spread, None) } else { (None, spread) };
            Entry { server: server.to_owned(), value, throng_over, ..Entry::default() }
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
    fn ratios_are_met_at_their_limit_and_some_rounds_within_it_are_a_tie() {
        let rows = [
            row("echo/a", "cpu_us", &[("floor", 1.0, 1.1, 1.2)]),
            row("echo/b", "cpu_us", &[("floor", 1.0, 1.2, 1.3)]),
            row("echo/c", "cpu_us", &[("floor", 1.2, 1.4, 1.5)]),
        ];
        let cells = ["echo/a", "echo/b", "echo/c"].map(str::to_owned);
        let expected: Vec<_> = cells.into_iter().zip([Verdict::Met, Verdict::Tie, Verdict::Missed]).collect();
        assert_eq!(verdicts(&rows, "echo: CPU over the floor's"), expected);
    }

    #[test]
    fn every_floor_counts_and_none_is_a_peer() {
        let rows = [row("echo/a", "cpu_us", &[("floor", 1.09, 1.09, 1.09), ("floor-c", 1.2, 1.2, 1.2)])];
        let expected = [("echo/a", Verdict::Met), ("echo/a, floor-c", Verdict::Missed)];
        let expected = expected.map(|(cell, verdict)| (cell.to_owned(), verdict));
        assert_eq!(verdicts(&rows, "echo: CPU over the floor's"), expected);
        assert_eq!(verdicts(&rows, "echo: CPU over any peer's"), []);
        assert_eq!(judge(&rows).behind, []);
    }

    #[test]
    fn every_peer_counts_in_every_cell() {
        let mut rows = [
            row("echo/a", "cpu_us", &[("floor", 2.0, 2.0, 2.0), ("x", 1.05, 1.05, 1.05)]),
            row("echo/b", "cpu_us", &[("x", 0.5, 0.5, 0.5), ("y", 0.9, 1.1, 1.3)]),
            row("pings", "cpu_us", &[("y", 2.0, 2.0, 2.0)]),
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
            row("broadcast/1", "cpu_us", &[("floor", 1.0, 1.0, 1.0)]),
            row("broadcast/16", "cpu_us", &[("throng", 0.29, 0.31, 0.32), ("floor", 3.0, 3.0, 3.0)]),
        ];
        let idle = [("idle/plain, before_bytes", Verdict::Met), ("idle/plain, after_bytes", Verdict::Missed)];
        assert_eq!(verdicts(&rows, "idle"), idle.map(|(cell, verdict)| (cell.to_owned(), verdict)));
        let one = [("broadcast/1".to_owned(), Verdict::Met)];
        assert_eq!(verdicts(&rows, "broadcast, one at a time"), one);
        assert_eq!(verdicts(&rows, "broadcast, sixteen"), [("broadcast/16".to_owned(), Verdict::Tie)]);
        assert_eq!(verdicts(&rows, "ping cycle"), []);
    }
}
