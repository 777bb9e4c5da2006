//! What something costs each of several servers: a bar for each, on a logarithmic scale.

use anyhow::ensure;
use plotters::prelude::*;

use super::scale::{Kind, Scale};
use super::sheet::{Anchor, Area, GRID, INK, MUTED, SMALL, WIDTH, bold, heading, sheet, span, text};
use super::units::figure;

/// The height of a panel's heading, of a bar with what is above it, and of the room below a panel.
const HEADING: i32 = 34;
const BAR: i32 = 24;
const BELOW: i32 = 14;
/// Where bars begin and end, from the left; behind the end is room for figures.
const LEFT: i32 = 190;
const RIGHT: i32 = WIDTH.cast_signed() - 190;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct BarOf {
    /// Its name.
    pub(crate) name: String,
    /// Which colour it has.
    pub(crate) kind: Kind,
    /// The least, the median and the greatest; `None` where it was not measured.
    pub(crate) value: Option<[f64; 3]>,
    /// What is said in place of a bar.
    pub(crate) note: String,
}

/// Servers that are compared.
#[derive(Debug, Clone)]
pub(crate) struct BarPanel {
    /// What is measured, with its unit.
    pub(crate) name: String,
    /// One for each server.
    pub(crate) bars: Vec<BarOf>,
}

/// Draws panels of bars. The shortest bars of a panel are not to be compared by their lengths: the scale has no zero.
pub(crate) fn bars(title: &str, panels: &[BarPanel]) -> anyhow::Result<String> {
    ensure!(!panels.is_empty(), "there are no bars to draw");
    let heights = panels.iter().map(|panel| Ok(HEADING + BAR * i32::try_from(panel.bars.len())? + BELOW));
    let heights: Vec<i32> = heights.collect::<anyhow::Result<_>>()?;
    let height = 68 + heights.iter().sum::<i32>();
    let subtitle = "Medians with the least and the most. Less is better; the scale is logarithmic";
    sheet(height.unsigned_abs(), title, subtitle, |area| {
        let mut top = 0;
        for (panel, height) in panels.iter().zip(&heights) {
            draw(area, panel, top)?;
            top += height;
        }
        Ok(())
    })
}

fn draw(area: &Area, panel: &BarPanel, top: i32) -> anyhow::Result<()> {
    let (_, below) = area.clone().split_vertically(top);
    heading(&below, &panel.name, &[])?;
    let values = || panel.bars.iter().filter_map(|bar| bar.value).flatten();
    ensure!(values().all(|value| value > 0.0), "{}: a figure is not above 0", panel.name);
    let (low, high) = span(values().map(f64::log10))?;
    let low = (low - 0.15).floor();
    let scale = Scale { low, high: high.max(low + 0.5), left: LEFT, right: RIGHT };
    for (number, bar) in (0..).zip(&panel.bars) {
        let middle = HEADING + BAR * number + BAR / 2;
        let colour = bar.kind.colour();
        bold(&below, (LEFT - 10, middle), &bar.name, SMALL, colour, Anchor::Right)?;
        let Some([least, median, most]) = bar.value else {
            text(&below, (LEFT, middle), &bar.note, SMALL, MUTED, Anchor::Left)?;
            continue;
        };
        let end = scale.place(median);
        below.draw(&Rectangle::new([(LEFT, middle - 8), (end, middle + 8)], colour.mix(0.75).filled()))?;
        let whisker = vec![(scale.place(least), middle), (scale.place(most), middle)];
        below.draw(&PathElement::new(whisker, INK.stroke_width(2)))?;
        let told = format!("{} ({} to {})", figure(median), figure(least), figure(most));
        text(&below, (scale.place(most).max(end) + 8, middle), &told, SMALL, INK, Anchor::Left)?;
    }
    let bottom = HEADING + BAR * i32::try_from(panel.bars.len())?;
    below.draw(&PathElement::new(vec![(LEFT, HEADING), (LEFT, bottom)], GRID.stroke_width(1)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(values: &[(&str, Option<[f64; 3]>)]) -> BarPanel {
        let bars = values.iter().map(|(name, value)| BarOf {
            name: (*name).to_owned(),
            kind: if *name == "throng" { Kind::Throng } else { Kind::Other },
            value: *value,
            note: "it cannot".to_owned(),
        });
        BarPanel { name: "bytes".to_owned(), bars: bars.collect() }
    }

    #[test]
    fn servers_have_bars_or_a_word_instead() {
        let panels = [
            panel(&[("throng", Some([33.0, 34.0, 35.0])), ("x", Some([270.0, 272.0, 280.0]))]),
            panel(&[("throng", Some([1.0, 1.0, 1.0])), ("y", None)]),
        ];
        let svg = bars("Idle", &panels).unwrap();
        let expected = ["Idle", "throng", "34 (33 to 35)", "272 (270 to 280)", "it cannot", "1 (1 to 1)"];
        crate::plot::tests::check(&svg, &expected);
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        assert!(bars("t", &[]).is_err());
        for value in [None, Some([0.0, 1.0, 1.0]), Some([1.0, f64::NAN, 1.0])] {
            assert!(bars("t", &[panel(&[("x", value)])]).is_err(), "{value:?}");
        }
    }
}
