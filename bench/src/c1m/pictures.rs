//! Which pictures a report has, and what is in each.

use super::figures::{self, LATENCIES, Latency, label};
use super::report::{C1mReport, Measurement, RunReport};
use crate::measure::account::server_parts;
use crate::measure::distribution::Distribution;
use crate::plot::{self, Bytes, CostPanel, Curve, Kind, LatencyPanel, Timeline};
use crate::report::File;
use crate::report::units::thousands;

/// Costs that are drawn against the number of connections.
const COSTS: [(&str, &str); 4] = [
    ("ping_cycle", "Processor time a ping cycle, µs"),
    ("handshake", "Processor time a handshake, µs"),
    ("kernel", "Kernel memory, bytes"),
    ("user", "User memory, bytes"),
];

/// Draws all that there are figures for.
pub(super) fn draw(report: &C1mReport, timelines: &[Timeline]) -> anyhow::Result<Vec<File>> {
    let mut pictures = Vec::new();
    if let Some(bytes) = report.runs.last().and_then(bytes) {
        pictures.push(("bytes.svg".to_owned(), plot::bytes(&bytes)?));
    }
    for run in &report.runs {
        let panels = panels(run);
        if !panels.is_empty() {
            let title = format!("Latency, {} connections", thousands(run.connections));
            pictures.push((format!("latency-{}.svg", run.connections), plot::latency(&title, &panels)?));
        }
    }
    for (measurement, timeline) in report.measurements().zip(timelines) {
        if !timeline.samples.is_empty() {
            pictures.push((format!("timeline-{}.svg", label(measurement)), plot::timeline(timeline)?));
        }
    }
    if report.runs.len() > 1 {
        let panels: Vec<CostPanel> = COSTS.iter().map(|(key, name)| cost(&report.runs, key, name)).collect();
        pictures
            .push(("cost.svg".to_owned(), plot::cost("Cost against the number of connections", &panels)?));
    }
    Ok(pictures)
}

/// Where the bytes of a connection are; `None` where kernel memory cannot be read.
fn bytes(run: &RunReport) -> Option<Bytes> {
    let kernel = run.throng.kernel.as_ref()?;
    let floor = run.floor.as_ref().and_then(|floor| {
        let kernel = floor.kernel.as_ref()?.server_bytes_per_connection;
        Some(("the floor".to_owned(), kernel + floor.user.server_bytes_per_connection))
    });
    Some(Bytes {
        title: format!("Where the bytes of one of {} connections are", thousands(run.connections)),
        parts: server_parts(kernel),
        own: run.throng.user.server_bytes_per_connection,
        own_name: "throng".to_owned(),
        compare: floor,
    })
}

fn panels(run: &RunReport) -> Vec<LatencyPanel> {
    let panel = |&(_, name, of): &(&str, &str, Latency)| {
        let curve = |measurement: Option<&Measurement>, kind| {
            let measurement = measurement?;
            Some(Curve { name: measurement.server.clone(), kind, values: values(of(measurement)?) })
        };
        let curves = [curve(Some(&run.throng), Kind::Throng), curve(run.floor.as_ref(), Kind::Floor)];
        let curves: Vec<Curve> = curves.into_iter().flatten().collect();
        (!curves.is_empty()).then(|| LatencyPanel { name: name.to_owned(), curves })
    };
    LATENCIES.iter().filter_map(panel).collect()
}

/// Which part of the latencies (0 to 1) does not exceed each of their values in microseconds.
fn values(latency: &Distribution) -> Vec<(f64, f64)> {
    let all = latency.count() as f64;
    let mut below = 0;
    let value = |(micros, count): (u64, u64)| {
        below += count;
        (below as f64 / all, micros as f64)
    };
    latency.buckets().into_iter().map(value).collect()
}

fn cost(runs: &[RunReport], key: &str, name: &'static str) -> CostPanel {
    let points = |of: fn(&RunReport) -> Option<&Measurement>| {
        let point = |run: &RunReport| Some((run.connections, figures::of(key, of(run)?)?));
        runs.iter().filter_map(point).collect()
    };
    CostPanel { name, throng: points(|run| Some(&run.throng)), floor: points(|run| run.floor.as_ref()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn curves_climb_from_the_shortest_to_all() {
        let mut latency = Distribution::default();
        for micros in [5, 5, 7, 9] {
            latency.record(Duration::from_micros(micros));
        }
        assert_eq!(values(&latency), [(0.5, 5.0), (0.75, 7.0), (1.0, 9.0)]);
    }
}
