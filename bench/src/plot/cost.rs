//! What a connection costs against how many there are: flat is good.

use anyhow::ensure;
use plotters::prelude::*;

use super::sheet::{
    Area, FLOOR, GRID, MARGIN, MUTED, SMALL, THRONG, axis, axis_from_zero, heading, sheet, span,
};
use super::units::{count, figure};

/// The height of a panel with its heading and its axis.
const PANEL: u32 = 220;

/// The costs of one server with so many connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Bytes of its user memory per connection.
    pub(crate) user_bytes: f64,
    /// Bytes of kernel memory at its end per connection. `None` where they cannot be read.
    pub(crate) kernel_bytes: Option<f64>,
    /// Microseconds of its processor time per handshake.
    pub(crate) handshake_us: f64,
    /// Microseconds of its processor time per ping and pong. `None` where nothing was held.
    pub(crate) ping_cycle_us: Option<f64>,
}

/// One number of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CostPoint {
    /// How many.
    pub(crate) connections: u64,
    /// throng's costs.
    pub(crate) throng: Figures,
    /// The floor's.
    pub(crate) floor: Option<Figures>,
}

/// Costs against the number of connections.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// What is shown, for people.
    pub(crate) title: String,
    /// Ascending.
    pub(crate) points: Vec<CostPoint>,
}

/// Which of the costs a panel shows.
type Which = fn(&Figures) -> Option<f64>;

const PANELS: [(&str, Which); 4] = [
    ("Processor time a ping cycle, µs", |figures| figures.ping_cycle_us),
    ("Processor time a handshake, µs", |figures| Some(figures.handshake_us)),
    ("Kernel memory, bytes", |figures| figures.kernel_bytes),
    ("User memory, bytes", |figures| Some(figures.user_bytes)),
];

/// Draws costs against the number of connections, each in a panel of its own that begins at 0.
pub(crate) fn cost(cost: &Cost) -> anyhow::Result<String> {
    let points = &cost.points;
    ensure!(points.len() > 1, "costs against a number of connections need two numbers at least");
    ensure!(
        points.is_sorted_by(|a, b| a.connections < b.connections),
        "numbers of connections do not ascend"
    );
    let has = |which: Which| points.iter().any(|point| which(&point.throng).is_some());
    let panels: Vec<_> = PANELS.into_iter().filter(|panel| has(panel.1)).collect();
    let subtitle = "What one connection costs the server. Flat is good: the next costs what the first did";
    sheet(68 + PANEL * u32::try_from(panels.len())? + 8, &cost.title, subtitle, |area| {
        for (panel, area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            draw(&area, panel.0, &lines(points, panel.1))?;
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
fn lines(points: &[CostPoint], which: Which) -> Vec<Line> {
    let line = |name, colour, of: fn(&CostPoint) -> Option<Figures>| {
        let place = |point: &CostPoint| Some(((point.connections as f64).log10(), which(&of(point)?)?));
        Line { name, colour, points: points.iter().filter_map(place).collect() }
    };
    let floor = line("the floor", FLOOR, |point| point.floor);
    let throng = line("throng", THRONG, |point| Some(point.throng));
    [floor, throng].into_iter().filter(|line| !line.points.is_empty()).collect()
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
    let mut chart = ChartBuilder::on(area)
        .margin_top(30)
        .margin_right(MARGIN + 10)
        .margin_bottom(6)
        .set_label_area_size(LabelAreaPosition::Left, 66)
        .set_label_area_size(LabelAreaPosition::Bottom, 30)
        .build_cartesian_2d(axis(from - 0.1, to + 0.1, ticks)?, axis_from_zero(values, 3.0)?)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", SMALL).into_font().color(&MUTED))
        .x_label_formatter(&|power| count(10f64.powf(*power).round()))
        .y_label_formatter(&|value| figure(*value))
        .draw()?;
    for Line { colour, points, .. } in lines {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<CostPoint> {
        let figures = |user_bytes, ping_cycle_us| Figures {
            user_bytes,
            kernel_bytes: Some(4_080.0),
            handshake_us: 34.0,
            ping_cycle_us: Some(ping_cycle_us),
        };
        let point = |connections, ours, floors| CostPoint {
            connections,
            throng: figures(34.0, ours),
            floor: Some(figures(38.0, floors)),
        };
        vec![point(10_000, 14.1, 13.9), point(100_000, 14.1, 14.0), point(1_000_000, 16.0, 15.3)]
    }

    #[test]
    fn all_costs_are_drawn() {
        let svg = cost(&Cost { title: "Cost".to_owned(), points: points() }).unwrap();
        let expected = ["Cost", "throng: 14.1, 14.1, 16", "the floor: 13.9, 14, 15.3", "1M", "10k"];
        crate::plot::tests::check(&svg, &expected);
    }

    #[test]
    fn what_was_not_measured_has_no_panel() {
        let mut points = points();
        for point in &mut points {
            point.floor = None;
            point.throng.kernel_bytes = None;
        }
        let svg = cost(&Cost { title: "Cost".to_owned(), points }).unwrap();
        assert!(!svg.contains("Kernel memory") && !svg.contains("the floor"), "{svg}");
    }

    #[test]
    fn one_point_is_no_slope() {
        let cost = |points: &[CostPoint]| cost(&Cost { title: "Cost".to_owned(), points: points.to_vec() });
        let points = points();
        assert!(cost(&points[..1]).is_err() && cost(&[points[1], points[0]]).is_err());
        let mut odd = points.clone();
        odd[0].throng.user_bytes = f64::NAN;
        assert!(cost(&odd).is_err());
    }
}
