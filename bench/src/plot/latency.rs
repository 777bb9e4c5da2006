//! Latencies by percentile: how long the slowest of a hundred, of a thousand, of a million waited.

use anyhow::ensure;
use plotters::prelude::*;

use super::scale::{Kind, Labels, chart};
use super::sheet::{Area, axis, heading, sheet, span, ticks};
use super::units::micros;

/// The height of a panel with its heading and its axis.
const PANEL: u32 = 270;
/// Percentiles that have a tick: one in so many takes longer.
const TICKS: [(f64, &str); 8] = [
    (1.0, "0"),
    (2.0, "50 %"),
    (10.0, "90 %"),
    (100.0, "99 %"),
    (1e3, "99.9 %"),
    (1e4, "99.99 %"),
    (1e5, "99.999 %"),
    (1e6, "99.9999 %"),
];

/// The latencies of one server.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    /// The server's name.
    pub(crate) name: String,
    /// Which colour it has.
    pub(crate) kind: Kind,
    /// Which part of all (0 to 1) does not exceed how many microseconds, ascending.
    pub(crate) values: Vec<(f64, f64)>,
}

/// Curves that are compared.
#[derive(Debug, Clone)]
pub(crate) struct LatencyPanel {
    /// What took that long.
    pub(crate) name: String,
    /// One for each server.
    pub(crate) curves: Vec<Curve>,
}

/// Draws latencies by percentile, a panel below the other. Both axes are logarithmic: to the right, how rare; upwards, how long.
pub(crate) fn latency(title: &str, panels: &[LatencyPanel]) -> anyhow::Result<String> {
    ensure!(!panels.is_empty(), "there is no latency to draw");
    let height = 68 + PANEL * u32::try_from(panels.len())? + 8;
    sheet(height, title, "How long it took at most, for so many of all", |area| {
        for (panel, area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            draw(&area, panel)?;
        }
        Ok(())
    })
}

fn draw(area: &Area, panel: &LatencyPanel) -> anyhow::Result<()> {
    let legend: Vec<_> = panel.curves.iter().map(|curve| (label(curve), curve.kind.colour())).collect();
    heading(area, &panel.name, &legend)?;
    let curves: Vec<_> = panel.curves.iter().map(|curve| (points(curve), curve.kind.colour())).collect();
    let all = || curves.iter().flat_map(|curve| &curve.0);
    let (_, rarest) = span(all().map(|point| point.0))?;
    let (low, high) = span(all().map(|point| point.1))?;
    let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
    let across = TICKS.iter().map(|tick| tick.0.log10()).filter(|tick| *tick <= rarest.max(1.0)).collect();
    let powers = ticks(low, high, 1.0);
    let axes = (axis(0.0, rarest.max(1.0), across)?, axis(low, high, powers)?);
    let up = |power: &f64| micros(10f64.powf(*power));
    let labels = Labels { wide: 66, right: 16, up: &up, across: Some(&percentile), has_columns: true };
    let mut chart = chart(area, axes, &labels, |_| Ok(()))?;
    // throng's curve comes last, on top.
    for (points, colour) in curves.iter().rev() {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
    }
    Ok(())
}

fn percentile(rarity: &f64) -> String {
    let tick = TICKS.iter().find(|tick| (tick.0.log10() - rarity).abs() < 1e-6);
    tick.map_or_else(String::new, |tick| tick.1.to_owned())
}

/// A server's name, and its figures that people quote.
fn label(curve: &Curve) -> String {
    let at = |quantile: f64| {
        let value = curve.values.iter().find(|value| value.0 >= quantile).or(curve.values.last());
        value.map_or_else(String::new, |value| micros(value.1))
    };
    format!("{}: p50 {}, p99.9 {}", curve.name, at(0.5), at(0.999))
}

/// Points of a curve by the logarithms of both axes, no two at nearly the same place. The last value, which nothing exceeds, would
/// be infinitely far to the right: it stands where the values before it end.
fn points(curve: &Curve) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut add = |point: (f64, f64)| {
        let is_far = |last: &(f64, f64)| (point.0 - last.0).abs() + (point.1 - last.1).abs() > 0.005;
        if points.last().is_none_or(is_far) {
            points.push(point);
        }
    };
    let mut rarity = 0.0;
    for &(quantile, value) in &curve.values {
        // No latency is below a microsecond's logarithm: the clock that took them has no finer ticks.
        let value = value.max(1.0).log10();
        add((rarity, value));
        if quantile < 1.0 {
            rarity = -(1.0 - quantile).log10();
            add((rarity, value));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(kind: Kind, slower: f64) -> Curve {
        let value =
            |at: u32| (f64::from(at) / 10_000.0, slower * 100.0 * (1.0 + 10.0 / f64::from(10_001 - at)));
        Curve { name: format!("{kind:?}"), kind, values: (1..=10_000).map(value).collect() }
    }

    #[test]
    fn curves_are_drawn_with_what_people_quote() {
        let curves = vec![curve(Kind::Throng, 1.0), curve(Kind::Floor, 0.9), curve(Kind::Other, 2.0)];
        let svg = latency("Latency", &[LatencyPanel { name: "Ping".to_owned(), curves }]).unwrap();
        let expected = ["Latency", "Ping", "Throng: p50 100 µs, p99.9 191 µs", "99.9 %", "100 µs", "1 ms"];
        crate::plot::tests::check(&svg, &expected);
        assert!(svg.len() < 50_000, "{}", svg.len());
    }

    #[test]
    fn steps_climb_where_their_values_begin() {
        let values = vec![(0.5, 10.0), (0.9, 100.0), (1.0, 1_000.0)];
        let points = points(&Curve { name: String::new(), kind: Kind::Other, values });
        let expected = [(0.0, 1.0), (0.301, 1.0), (0.301, 2.0), (1.0, 2.0), (1.0, 3.0)];
        assert_eq!(points.len(), expected.len(), "{points:?}");
        for (point, expected) in points.iter().zip(expected) {
            assert!(
                (point.0 - expected.0).abs() < 0.001 && (point.1 - expected.1).abs() < 0.001,
                "{points:?}"
            );
        }
    }

    #[test]
    fn one_value_is_a_curve_and_none_is_not() {
        let panel = |values| LatencyPanel {
            name: "x".to_owned(),
            curves: vec![Curve { name: "y".to_owned(), kind: Kind::Throng, values }],
        };
        assert!(latency("t", &[panel(vec![(1.0, 5.0)])]).is_ok());
        assert!(latency("t", &[panel(vec![])]).is_err() && latency("t", &[]).is_err());
        assert!(latency("t", &[panel(vec![(1.0, f64::INFINITY)])]).is_err());
    }
}
