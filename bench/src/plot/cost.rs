//! What a connection costs against how many there are: flat is good.

use anyhow::ensure;
use plotters::prelude::*;

use super::scale::{Labels, chart};
use super::sheet::{Area, FLOOR, THRONG, axis, axis_from_zero, heading, sheet, span};
use super::units::{count, figure};

/// The height of a panel with its heading and its axis.
const PANEL: u32 = 220;

/// A cost by the number of connections, which ascends.
#[derive(Debug, Clone)]
pub(crate) struct CostPanel {
    /// What costs, with its unit.
    pub(crate) name: &'static str,
    pub(crate) throng: Vec<(u64, f64)>,
    /// The floor's; none where it was not measured.
    pub(crate) floor: Vec<(u64, f64)>,
}

/// Draws costs against the number of connections, each in a panel of its own that begins at 0. What was not measured has none.
pub(crate) fn cost(title: &str, panels: &[CostPanel]) -> anyhow::Result<String> {
    let panels: Vec<_> = panels.iter().filter(|panel| !panel.throng.is_empty()).collect();
    ensure!(
        panels.iter().any(|panel| panel.throng.len() > 1),
        "costs against a number of connections need two numbers at least"
    );
    ensure!(
        panels.iter().all(|panel| panel.throng.is_sorted_by(|a, b| a.0 < b.0)),
        "numbers of connections do not ascend"
    );
    let subtitle = "What one connection costs the server. Flat is good: the next costs what the first did";
    sheet(68 + PANEL * u32::try_from(panels.len())? + 8, title, subtitle, |area| {
        for (panel, area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            draw(&area, panel.name, &lines(panel))?;
        }
        Ok(())
    })
}

/// A server's costs.
struct Line {
    name: &'static str,
    colour: RGBColor,
    /// The logarithm of the number of connections, and the cost.
    points: Vec<(f64, f64)>,
}

/// The lines of a panel, the floor's first: throng's is drawn on top.
fn lines(panel: &CostPanel) -> Vec<Line> {
    let line = |name, colour, points: &[(u64, f64)]| {
        let points = points.iter().map(|&(connections, cost)| ((connections as f64).log10(), cost));
        Line { name, colour, points: points.collect() }
    };
    let lines = [line("the floor", FLOOR, &panel.floor), line("throng", THRONG, &panel.throng)];
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}

fn draw(area: &Area, title: &str, lines: &[Line]) -> anyhow::Result<()> {
    let legend = |line: &Line| {
        let values: Vec<String> = line.points.iter().map(|point| figure(point.1)).collect();
        (format!("{}: {}", line.name, values.join(", ")), line.colour)
    };
    heading(area, title, &lines.iter().rev().map(legend).collect::<Vec<_>>())?;
    let all = || lines.iter().flat_map(|line| &line.points);
    let (from, to) = span(all().map(|point| point.0))?;
    let ticks = all().map(|point| point.0).collect();
    let values = span(all().map(|point| point.1))?;
    let axes = (axis(from - 0.1, to + 0.1, ticks)?, axis_from_zero(values, 3.0)?);
    let (up, across) = (|value: &f64| figure(*value), |power: &f64| count(10f64.powf(*power).round()));
    let labels = Labels { wide: 66, right: 10, up: &up, across: Some(&across), has_columns: false };
    let mut chart = chart(area, axes, &labels, |_| Ok(()))?;
    for Line { colour, points, .. } in lines {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> CostPanel {
        CostPanel {
            name: "Processor time",
            throng: vec![(10_000, 14.1), (100_000, 14.1), (1_000_000, 16.0)],
            floor: vec![(10_000, 13.9), (100_000, 14.0), (1_000_000, 15.3)],
        }
    }

    #[test]
    fn all_costs_are_drawn() {
        let svg = cost("Cost", &[panel()]).unwrap();
        let expected = ["Cost", "throng: 14.1, 14.1, 16", "the floor: 13.9, 14, 15.3", "1M", "10k"];
        crate::plot::tests::check(&svg, &expected);
    }

    #[test]
    fn what_was_not_measured_has_no_panel() {
        let none = CostPanel { name: "Kernel memory", throng: Vec::new(), floor: Vec::new() };
        let svg = cost("Cost", &[none, CostPanel { floor: Vec::new(), ..panel() }]).unwrap();
        assert!(!svg.contains("Kernel memory") && !svg.contains("the floor"), "{svg}");
    }

    #[test]
    fn one_point_is_no_slope() {
        for throng in [vec![(10, 1.0)], vec![(10, 1.0), (5, 1.0)], vec![(10, f64::NAN), (20, 1.0)]] {
            assert!(cost("Cost", &[CostPanel { throng, ..panel() }]).is_err());
        }
    }
}
