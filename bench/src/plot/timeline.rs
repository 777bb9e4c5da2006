//! What happened over a run: connections, memory and processor time over a common axis of time.

use anyhow::ensure;
use plotters::prelude::*;

use super::samples::{Phase, Sample, Timeline};
use super::scale::{Labels, chart};
use super::sheet::{
    Anchor, Area, BAND, CLIENT, FLOOR, KERNEL, MARGIN, MUTED, SMALL, THRONG, axis, axis_from_zero, heading,
    sheet, span, step, text, ticks,
};
use super::units::{byte_unit, count, figure};

/// The height of a panel with its heading.
const PANEL: u32 = 170;
/// Room for the names of phases above the panels, and for the axis of time below them.
const NAMES: u32 = 26;
const AXIS: u32 = 40;
/// Room for the ticks' labels at the left of a panel.
const LABELS: u32 = 58;
/// No picture is wide enough to show more points.
const MOST_POINTS: usize = 400;

/// Draws a run over time: connections, the kernel's memory, user memory, and busy cores.
pub(crate) fn timeline(timeline: &Timeline) -> anyhow::Result<String> {
    let samples = thin(&timeline.samples);
    let (first, to) = span(samples.iter().map(|sample| sample.seconds))?;
    let from = first.min(0.0);
    ensure!(first < to, "a timeline needs samples of two times at least");
    let panels = panels(&samples);
    let height = 46 + NAMES + PANEL * u32::try_from(panels.len())? + AXIS;
    sheet(height, &timeline.title, "", |below| {
        let (names, below) = below.split_vertically(NAMES);
        draw_names(&names, &timeline.phases, (from, to))?;
        let mut rest = below;
        for panel in &panels {
            let (area, below) = rest.split_vertically(PANEL);
            draw_panel(&area, panel, &timeline.phases, (from, to))?;
            rest = below;
        }
        draw_axis(&rest, (from, to))
    })
}

/// Every so manieth sample, so that a file stays small; the last one always.
fn thin(samples: &[Sample]) -> Vec<&Sample> {
    let stride = samples.len().div_ceil(MOST_POINTS).max(1);
    let last = samples.len().saturating_sub(1);
    samples
        .iter()
        .enumerate()
        .filter(|(at, _)| at % stride == 0 || *at == last)
        .map(|(_, sample)| sample)
        .collect()
}

/// Lines over time.
struct Panel {
    title: String,
    labels: fn(&f64) -> String,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    colour: RGBColor,
    is_area: bool,
    /// Seconds and values.
    points: Vec<(f64, f64)>,
}

impl Line {
    /// `None` where nothing was measured.
    fn of(
        name: &str,
        colour: RGBColor,
        samples: &[&Sample],
        value: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Self> {
        let points: Vec<_> =
            samples.iter().filter_map(|sample| Some((sample.seconds, value(sample)?))).collect();
        (!points.is_empty()).then(|| Self { name: name.to_owned(), colour, is_area: false, points })
    }

    fn area(self) -> Self {
        Self { is_area: true, ..self }
    }

    fn peak(&self) -> f64 {
        self.points.iter().map(|point| point.1).fold(0.0, f64::max)
    }
}

fn panels(samples: &[&Sample]) -> Vec<Panel> {
    let line =
        |name: &str, colour, value: &dyn Fn(&Sample) -> Option<f64>| Line::of(name, colour, samples, value);
    let connections = line("open", THRONG, &|sample| Some(sample.connections as f64)).map(Line::area);
    let kernel =
        line("all ends on the machine", KERNEL, &|sample| sample.kernel_bytes.map(|bytes| bytes as f64));
    let server = line("server", THRONG, &|sample| Some(sample.server_user_bytes as f64));
    let client = line("client", CLIENT, &|sample| sample.client_user_bytes.map(|bytes| bytes as f64));
    let machine = line("whole machine", FLOOR, &|sample| Some(sample.machine_cores)).map(Line::area);
    let client_cores = line("client", CLIENT, &|sample| sample.client_cores);
    let server_cores = line("server", THRONG, &|sample| Some(sample.server_cores));
    let panel = |title: &str, labels: fn(&f64) -> String, lines: Vec<Option<Line>>| Panel {
        title: title.to_owned(),
        labels,
        lines: lines.into_iter().flatten().collect(),
    };
    let panels = vec![
        panel("Connections", |value| count(*value), vec![connections]),
        in_bytes("Kernel memory", vec![kernel.map(Line::area)]),
        in_bytes("User memory", vec![client, server]),
        panel("Busy cores", |value| figure(*value), vec![machine, client_cores, server_cores]),
    ];
    panels.into_iter().filter(|panel| !panel.lines.is_empty()).collect()
}

/// Lines of bytes, in the unit that suits the highest of them.
fn in_bytes(title: &str, lines: Vec<Option<Line>>) -> Panel {
    let mut lines: Vec<Line> = lines.into_iter().flatten().collect();
    let (divisor, unit) = byte_unit(lines.iter().map(Line::peak).fold(0.0, f64::max));
    for point in lines.iter_mut().flat_map(|line| &mut line.points) {
        point.1 /= divisor;
    }
    for line in &mut lines {
        line.name = format!("{}, at most {} {unit}", line.name, figure(line.peak()));
    }
    Panel { title: format!("{title}, {unit}"), labels: |value| figure(*value), lines }
}

fn draw_panel(area: &Area, panel: &Panel, phases: &[Phase], (from, to): (f64, f64)) -> anyhow::Result<()> {
    let legend: Vec<_> = panel.lines.iter().map(|line| (line.name.clone(), line.colour)).collect();
    heading(area, &panel.title, &legend)?;
    let values = span(panel.lines.iter().flat_map(|line| &line.points).map(|point| point.1))?;
    let axes = (axis(from, to, vec![])?, axis_from_zero(values, 3.0)?);
    let (low, high) = (values.0.min(0.0), axes.1.range().end);
    let labels = Labels { wide: LABELS, right: 0, up: &panel.labels, across: None, has_columns: false };
    let mut chart = chart(area, axes, &labels, |chart| {
        for phase in phases.iter().step_by(2) {
            chart.draw_series([Rectangle::new([(phase.from, low), (phase.to, high)], BAND.filled())])?;
        }
        Ok(())
    })?;
    for Line { colour, is_area, points, .. } in &panel.lines {
        let points = points.iter().copied();
        if *is_area {
            chart.draw_series(AreaSeries::new(points.clone(), 0.0, colour.mix(0.15)))?;
        }
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// Where a time is, from the left of the picture.
#[expect(clippy::cast_possible_truncation, reason = "pixels of a picture")]
fn place(area: &Area, time: f64, (from, to): (f64, f64)) -> i32 {
    let left = LABELS.cast_signed();
    let width = area.dim_in_pixel().0.cast_signed() - MARGIN - left;
    left + ((time - from) / (to - from) * f64::from(width)).round() as i32
}

/// Names that have no room beside the one before are left out: the bands still show the stretch.
fn draw_names(area: &Area, phases: &[Phase], times: (f64, f64)) -> anyhow::Result<()> {
    let mut free = 0;
    for Phase { name, from, to } in phases {
        let label = format!("{name} {} s", figure(to - from));
        let half = i32::try_from(label.len())? * 4;
        let right = area.dim_in_pixel().0.cast_signed() - MARGIN;
        let middle = place(area, f64::midpoint(*from, *to), times).min(right - half);
        if middle - half > free {
            text(area, (middle, 14), &label, SMALL, MUTED, Anchor::Middle)?;
            free = middle + half;
        }
    }
    Ok(())
}

fn draw_axis(area: &Area, (from, to): (f64, f64)) -> anyhow::Result<()> {
    for tick in ticks(from, to, step((to - from) / 8.0)) {
        let at = place(area, tick, (from, to));
        text(area, (at, 6), &figure(tick), SMALL, MUTED, Anchor::Middle)?;
    }
    text(area, (MARGIN, 26), "seconds since the run began", SMALL, MUTED, Anchor::Left)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn run(samples: u32) -> Timeline {
        let sample = |at: u32| Sample {
            seconds: f64::from(at) * 0.5,
            connections: u64::from(at.min(100)) * 10_000,
            server_user_bytes: u64::from(at.min(100)) * 400_000,
            client_user_bytes: Some(u64::from(at.min(100)) * 300_000),
            kernel_bytes: Some(i64::from(at.min(100)) * 80_000_000),
            server_cores: 0.4,
            client_cores: Some(0.9),
            machine_cores: 1.8,
        };
        let phase = |name: &str, from, to| Phase { name: name.to_owned(), from, to };
        let phases = vec![phase("ramp", 0.0, 50.0), phase("hold", 50.0, 110.0), phase("close", 110.0, 150.0)];
        Timeline {
            title: "throng & 1,000,000".to_owned(),
            phases,
            samples: (0..samples).map(sample).collect(),
        }
    }

    #[test]
    fn a_run_is_drawn_with_its_phases() {
        let svg = timeline(&run(300)).unwrap();
        let expected = [
            "throng & 1,000,000",
            "ramp 50 s",
            "hold 60 s",
            "close 40 s",
            "Connections",
            "Kernel memory, GiB",
        ];
        crate::plot::tests::check(&svg, &expected);
        assert!(timeline(&run(20_000)).unwrap().len() < 100_000);
    }

    #[test]
    fn what_was_not_measured_has_no_panel() {
        let mut run = run(10);
        for sample in &mut run.samples {
            (sample.kernel_bytes, sample.client_user_bytes, sample.client_cores) = (None, None, None);
        }
        let svg = timeline(&run).unwrap();
        assert!(!svg.contains("Kernel memory") && !svg.contains("client"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        assert!(timeline(&run(0)).is_err() && timeline(&run(1)).is_err());
        let mut odd = run(10);
        odd.samples[3].server_cores = f64::NAN;
        assert!(timeline(&odd).unwrap_err().to_string().contains("NaN"));
    }
}
