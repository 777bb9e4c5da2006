//! Servers held against one of them: a row for each thing that was measured, a dot for each server.

use anyhow::ensure;
use plotters::prelude::*;

use super::scale::{Kind, Scale};
use super::sheet::{Anchor, Area, BAND, GRID, INK, MARGIN, MUTED, SMALL, WIDTH, bold, sheet, span, text};
use super::units::figure;

/// The height of a row, and of a line of the legend.
const ROW: i32 = 30;
const LINE: i32 = 22;
/// Servers in a line of the legend.
const COLUMNS: i32 = 4;
/// Where dots begin and end, from the left; beyond are the rows' names and the reference's figures.
const LEFT: i32 = 200;
const RIGHT: i32 = WIDTH.cast_signed() - 120;
/// How far dots go from one another, up and down, so that equal ones are seen.
const APART: i32 = 5;
/// Ratios that have a tick, as far as there is room: those that come first go first.
const TICKS: [f64; 17] =
    [1.0, 2.0, 0.5, 5.0, 10.0, 0.2, 20.0, 50.0, 100.0, 0.1, 3.0, 1.5, 0.7, 1.2, 0.8, 1.1, 0.9];
/// Pixels between two ticks.
const TICK: u32 = 40;

/// A server beside the reference.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    /// Its name.
    pub(crate) name: String,
    /// Which colour it has.
    pub(crate) kind: Kind,
}

/// One thing that was measured.
#[derive(Debug, Clone)]
pub(crate) struct RatioRow {
    /// What it is called.
    pub(crate) name: String,
    /// The reference's own figure, with its unit.
    pub(crate) reference: String,
    /// Of each rival the least, the median and the greatest over the reference's median; `None` where it was not measured.
    pub(crate) ratios: Vec<Option<[f64; 3]>>,
}

/// Draws each rival's figures over those of the reference, which is the line at 1.
pub(crate) fn ratios(
    title: &str,
    reference: &str,
    rivals: &[Rival],
    rows: &[RatioRow],
) -> anyhow::Result<String> {
    let all = || rows.iter().flat_map(|row| row.ratios.iter().flatten()).flatten().copied();
    ensure!(all().all(|ratio| ratio > 0.0), "a ratio is not above 0");
    let (low, high) = span(all().map(f64::log10))?;
    let scale = Scale { low: low.min(-0.1) - 0.03, high: high.max(0.1) + 0.03, left: LEFT, right: RIGHT };
    let legend = LINE * (i32::try_from(rivals.len())?.max(1) - 1) / COLUMNS + LINE;
    let above = legend + LINE + 14;
    let height = 68 + above + ROW * i32::try_from(rows.len())? + LINE;
    let subtitle = format!(
        "Each server over {reference}, the line at 1: to the right is worse. The scale is logarithmic"
    );
    sheet(height.unsigned_abs(), title, &subtitle, |area| {
        draw_legend(area, rivals)?;
        let (_, below) = area.clone().split_vertically(above);
        draw_ticks(&below, &scale, ROW * i32::try_from(rows.len())?)?;
        (0..).zip(rows).try_for_each(|(number, row)| draw_row(&below, &scale, rivals, row, number))
    })
}

/// The letter that a rival's dots have: colours alone do not tell so many apart.
fn letter(number: usize) -> String {
    char::from_u32(u32::from('a') + u32::try_from(number).unwrap_or(0) % 26).unwrap_or('?').to_string()
}

fn dot(area: &Area, at: (i32, i32), number: usize, kind: Kind) -> anyhow::Result<()> {
    area.draw(&Circle::new(at, 8, WHITE.filled()))?;
    area.draw(&Circle::new(at, 8, kind.colour().stroke_width(2)))?;
    bold(area, at, &letter(number), SMALL - 2, kind.colour(), Anchor::Middle)
}

fn draw_legend(area: &Area, rivals: &[Rival]) -> anyhow::Result<()> {
    let wide = (WIDTH.cast_signed() - 2 * MARGIN) / COLUMNS;
    for (number, rival) in rivals.iter().enumerate() {
        let (column, line) = (i32::try_from(number)? % COLUMNS, i32::try_from(number)? / COLUMNS);
        let at = (MARGIN + 8 + column * wide, 10 + line * LINE);
        dot(area, at, number, rival.kind)?;
        text(area, (at.0 + 14, at.1), &rival.name, SMALL, INK, Anchor::Left)?;
    }
    Ok(())
}

fn draw_ticks(area: &Area, scale: &Scale, height: i32) -> anyhow::Result<()> {
    let mut places: Vec<i32> = Vec::new();
    let fits = |tick: &&f64| (scale.low..=scale.high).contains(&tick.log10());
    for tick in TICKS.iter().filter(fits) {
        let at = scale.place(*tick);
        if places.iter().any(|place| place.abs_diff(at) < TICK) {
            continue;
        }
        places.push(at);
        let line = if *tick == 1.0 { INK.stroke_width(2) } else { GRID.stroke_width(1) };
        area.draw(&PathElement::new(vec![(at, 0), (at, height)], line))?;
        text(area, (at, -16), &format!("{}x", figure(*tick)), SMALL, MUTED, Anchor::Middle)?;
    }
    Ok(())
}

fn draw_row(area: &Area, scale: &Scale, rivals: &[Rival], row: &RatioRow, number: i32) -> anyhow::Result<()> {
    let middle = ROW * number + ROW / 2;
    if number % 2 == 0 {
        let band = [(MARGIN, middle - ROW / 2), (LEFT - 6, middle + ROW / 2)];
        area.draw(&Rectangle::new(band, BAND.filled()))?;
    }
    text(area, (LEFT - 10, middle), &row.name, SMALL, INK, Anchor::Right)?;
    text(area, (RIGHT + 10, middle), &row.reference, SMALL, MUTED, Anchor::Left)?;
    for (at, (rival, ratio)) in rivals.iter().zip(&row.ratios).enumerate().rev() {
        let Some([least, median, most]) = *ratio else { continue };
        let height = middle + (i32::try_from(at)? % 3 - 1) * APART;
        let whisker = vec![(scale.place(least), height), (scale.place(most), height)];
        area.draw(&PathElement::new(whisker, rival.kind.colour().stroke_width(1)))?;
        dot(area, (scale.place(median), height), at, rival.kind)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rivals() -> Vec<Rival> {
        let rival = |name: &str, kind| Rival { name: name.to_owned(), kind };
        vec![rival("floor", Kind::Floor), rival("uwebsockets", Kind::Other)]
    }

    fn row(ratios: [Option<[f64; 3]>; 2]) -> RatioRow {
        RatioRow {
            name: "64 x 16, 20 B".to_owned(),
            reference: "0.24 µs".to_owned(),
            ratios: ratios.to_vec(),
        }
    }

    #[test]
    fn rivals_have_a_dot_each() {
        let rows = [row([Some([0.9, 0.95, 1.0]), Some([1.1, 1.2, 7.5])]), row([None, Some([0.6, 0.6, 0.6])])];
        let svg = ratios("Echo", "throng", &rivals(), &rows).unwrap();
        crate::plot::tests::check(
            &svg,
            &["Echo", "a", "b", "floor", "uwebsockets", "64 x 16, 20 B", "1x", "5x"],
        );
        assert_eq!(svg.matches(">\na\n<").count(), 2, "in the legend and in a row: {svg}");
    }

    #[test]
    fn nothing_and_no_ratio_are_no_picture() {
        assert!(ratios("t", "r", &rivals(), &[]).is_err());
        assert!(ratios("t", "r", &rivals(), &[row([None, None])]).is_err());
        assert!(ratios("t", "r", &rivals(), &[row([Some([0.0, 1.0, 1.0]), None])]).is_err());
    }
}
