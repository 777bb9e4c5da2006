//! What a comparison looks like.

use super::report::{CompareReport, Row};
use super::rows::{THRONG, is_floor};
use crate::measure::spread::Spread;
use crate::plot::{self, BarOf, BarPanel, Kind, RatioRow, Rival};
use crate::report::units::plain;

/// Draws what there is: names of files and their contents. A column of which nothing was measured has no picture.
pub(super) fn draw(report: &CompareReport) -> anyhow::Result<Vec<(String, String)>> {
    let mut pictures = Vec::new();
    let of = |column: &str| report.rows.iter().filter(|row| row.column == column).collect::<Vec<_>>();
    if let Some(svg) = echo(report, &of("echo"))? {
        pictures.push(("echo.svg".to_owned(), svg));
    }
    for (column, title) in [
        ("idle", "User memory of an idle connection"),
        ("broadcast", "Processor time of a delivery"),
        ("connect", "Processor time of a connection that opens"),
        ("pings", "Processor time of a Ping and its Pong"),
    ] {
        let panels: Vec<BarPanel> = of(column).into_iter().filter_map(panel).collect();
        if !panels.is_empty() {
            pictures.push((format!("{column}.svg"), plot::bars(title, &panels)?));
        }
    }
    Ok(pictures)
}

/// `None` without throng, which the others are held against, or without others.
fn echo(report: &CompareReport, rows: &[&Row]) -> anyhow::Result<Option<String>> {
    let others = report.servers.iter().map(|note| &note.server).filter(|server| *server != THRONG);
    let rivals: Vec<Rival> =
        others.map(|server| Rival { name: server.clone(), kind: kind(server) }).collect();
    let drawn: Vec<RatioRow> = rows.iter().filter_map(|row| ratio_row(row, &rivals)).collect();
    if drawn.iter().all(|row| row.ratios.iter().all(Option::is_none)) {
        return Ok(None);
    }
    plot::ratios("Processor time of an echo: connections x depth x bytes", THRONG, &rivals, &drawn).map(Some)
}

fn ratio_row(row: &Row, rivals: &[Rival]) -> Option<RatioRow> {
    let throng = row.of(THRONG).filter(|throng| throng.median > 0.0)?;
    let over = |rival: &Rival| {
        let (_, Spread { median, min, max }) =
            row.over(|_| true).find(|(server, _)| *server == rival.name)?;
        Some([max, median, min].map(|ratio| 1.0 / ratio))
    };
    Some(RatioRow {
        name: row.cell.trim_start_matches("echo/").replace('x', " x "),
        reference: format!("{} µs", plain(throng.median)),
        ratios: rivals.iter().map(over).collect(),
    })
}

fn panel(row: &Row) -> Option<BarPanel> {
    let drawable = |spread: &Spread| spread.min > 0.0;
    row.servers.iter().any(|entry| entry.value.as_ref().is_some_and(drawable)).then_some(())?;
    let bars = row.servers.iter().map(|entry| BarOf {
        name: entry.server.clone(),
        kind: kind(&entry.server),
        value: entry.value.filter(drawable).map(|Spread { median, min, max }| [min, median, max]),
        note: match (&entry.unable, entry.value) {
            (Some(reason), _) => reason.clone(),
            (None, Some(value)) => plain(value.median),
            (None, None) if entry.failures.is_empty() => "not measured".to_owned(),
            (None, None) => "it failed".to_owned(),
        },
    });
    Some(BarPanel { name: format!("{}, {}", row.name(), row.unit), bars: bars.collect() })
}

fn kind(server: &str) -> Kind {
    match server {
        THRONG => Kind::Throng,
        floor if is_floor(floor) => Kind::Floor,
        _ => Kind::Other,
    }
}
