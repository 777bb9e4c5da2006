//! What pictures with scales have in common: servers' colours, a logarithmic scale, and charts with two axes.

use plotters::prelude::*;

use super::sheet::{Area, Axis, CLIENT, FLOOR, GRID, MARGIN, MUTED, SMALL, THRONG};

/// Whose figures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Throng,
    Floor,
    /// Another server's.
    Other,
}

impl Kind {
    pub(super) const fn colour(self) -> RGBColor {
        match self {
            Self::Throng => THRONG,
            Self::Floor => FLOOR,
            Self::Other => CLIENT,
        }
    }
}

/// A logarithmic scale from the left to the right, in pixels.
pub(super) struct Scale {
    /// The logarithms at both ends.
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) left: i32,
    pub(super) right: i32,
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "pixels of a picture")]
    pub(super) fn place(&self, value: f64) -> i32 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        self.left + (part * f64::from(self.right - self.left)).round() as i32
    }
}

pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// How the axes of a chart are labelled.
pub(super) struct Labels<'a> {
    /// Room for those of the vertical axis.
    pub(super) wide: u32,
    /// Room beyond the margin at the right.
    pub(super) right: i32,
    pub(super) up: &'a dyn Fn(&f64) -> String,
    /// `None` for an axis that is drawn elsewhere.
    pub(super) across: Option<&'a dyn Fn(&f64) -> String>,
    /// Whether there are lines at the ticks of the horizontal axis.
    pub(super) has_columns: bool,
}

/// A panel's chart below its heading. `below` draws what is to be below the lines of its ticks.
pub(super) fn chart<'a>(
    area: &Area<'a>,
    (across, up): (Axis, Axis),
    labels: &Labels<'_>,
    below: impl FnOnce(&mut Chart<'a>) -> anyhow::Result<()>,
) -> anyhow::Result<Chart<'a>> {
    let has_axis = labels.across.is_some();
    let mut chart = ChartBuilder::on(area)
        .margin_top(30)
        .margin_right(MARGIN + labels.right)
        .margin_bottom(if has_axis { 6 } else { 12 })
        .set_label_area_size(LabelAreaPosition::Left, labels.wide)
        .set_label_area_size(LabelAreaPosition::Bottom, if has_axis { 30 } else { 0 })
        .build_cartesian_2d(across, up)?;
    below(&mut chart)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", SMALL).into_font().color(&MUTED))
        .x_labels(MOST_LABELS)
        .y_label_formatter(&labels.up);
    match &labels.across {
        Some(across) => mesh.x_label_formatter(across),
        None => mesh.disable_x_axis(),
    };
    if !labels.has_columns {
        mesh.disable_x_mesh();
    }
    mesh.draw()?;
    Ok(chart)
}

/// Axes say themselves where their ticks are: there are never as many.
const MOST_LABELS: usize = 10;
