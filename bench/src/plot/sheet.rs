//! The sheet that all pictures are drawn on: its colours, its type, its title and its legends.

use std::ops::Range;

use anyhow::{Context, ensure};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The width of every picture in pixels.
pub(super) const WIDTH: u32 = 800;
/// Where content begins, from the left and from the right.
pub(super) const MARGIN: i32 = 20;
const RIGHT: i32 = WIDTH.cast_signed() - MARGIN;

/// An area of a picture.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

// Text colours have a contrast of at least 4.5 on white; blue, orange and grey stay apart for every kind of colour vision.
pub(super) const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
pub(super) const MUTED: RGBColor = RGBColor(0x52, 0x60, 0x6d);
pub(super) const GRID: RGBColor = RGBColor(0xdf, 0xe3, 0xe8);
pub(super) const BAND: RGBColor = RGBColor(0xf3, 0xf5, 0xf8);
pub(super) const THRONG: RGBColor = RGBColor(0x0b, 0x5c, 0xad);
pub(super) const FLOOR: RGBColor = RGBColor(0x6b, 0x72, 0x80);
pub(super) const CLIENT: RGBColor = RGBColor(0xb8, 0x50, 0x0c);
pub(super) const KERNEL: RGBColor = RGBColor(0x47, 0x55, 0x69);

/// Sizes of type, in pixels as the drawing library counts them: a quarter more than the letters take.
pub(super) const TITLE: u32 = 23;
pub(super) const TEXT: u32 = 17;
pub(super) const SMALL: u32 = 15;

/// Which point of a text its place says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Draws a picture of so many pixels' height. `body` is given the area below the title.
pub(super) fn sheet(
    height: u32,
    title: &str,
    subtitle: &str,
    body: impl FnOnce(&Area) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let sheet = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        sheet.fill(&WHITE)?;
        bold(&sheet, (MARGIN, 30), title, TITLE, INK, Anchor::Left)?;
        text(&sheet, (MARGIN, 54), subtitle, TEXT, MUTED, Anchor::Left)?;
        let (_, below) = sheet.split_vertically(if subtitle.is_empty() { 46 } else { 68 });
        body(&below)?;
        sheet.present()?;
    }
    Ok(svg)
}

/// Draws a line of text, its middle at the height of its place.
pub(super) fn text(
    area: &Area,
    at: (i32, i32),
    text: &str,
    size: u32,
    colour: RGBColor,
    anchor: Anchor,
) -> anyhow::Result<()> {
    write(area, at, text, ("sans-serif", size).into_font(), colour, anchor)
}

/// As [`text`], bold.
pub(super) fn bold(
    area: &Area,
    at: (i32, i32),
    text: &str,
    size: u32,
    colour: RGBColor,
    anchor: Anchor,
) -> anyhow::Result<()> {
    write(area, at, text, ("sans-serif", size, FontStyle::Bold).into_font(), colour, anchor)
}

fn write(
    area: &Area,
    at: (i32, i32),
    text: &str,
    font: FontDesc,
    colour: RGBColor,
    anchor: Anchor,
) -> anyhow::Result<()> {
    let horizontal = match anchor {
        Anchor::Left => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Right,
    };
    let style = font.color(&colour).pos(Pos::new(horizontal, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

/// A panel's heading, and at the right of the same line what its colours mean.
pub(super) fn heading(area: &Area, title: &str, legend: &[(String, RGBColor)]) -> anyhow::Result<()> {
    bold(area, (MARGIN, 14), title, TEXT, INK, Anchor::Left)?;
    let mut right = RIGHT;
    for (name, colour) in legend.iter().rev() {
        area.draw(&Rectangle::new([(right - 12, 8), (right, 20)], colour.filled()))?;
        bold(area, (right - 18, 14), name, SMALL, *colour, Anchor::Right)?;
        right -= wide(name, SMALL) + 36;
    }
    Ok(())
}

/// About how wide bold text is in pixels, in the widest of the usual fonts: the reader's is not known.
fn wide(text: &str, size: u32) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 1_000);
    letters * size.cast_signed() * 53 / 100
}

/// An axis that has ticks where it is told, and no others.
pub(super) struct Axis {
    values: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, pixels: (i32, i32)) -> i32 {
        self.values.map(value, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.values.range()
    }
}

/// An axis from one end to the other.
pub(super) fn axis(from: f64, to: f64, ticks: Vec<f64>) -> anyhow::Result<Axis> {
    ensure!(from.is_finite() && to.is_finite() && from < to, "an axis cannot go from {from} to {to}");
    Ok(Axis { values: (from..to).into(), ticks })
}

/// An axis from 0 (or the lowest value, if that is below) to a round value at or above the highest, with about `count` ticks.
pub(super) fn axis_from_zero((lowest, highest): (f64, f64), count: f64) -> anyhow::Result<Axis> {
    ensure!(lowest.is_finite() && highest.is_finite(), "not finite: {lowest} or {highest}");
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let step = step(highest / count);
    let steps = (highest / step - 1e-9).ceil();
    // What lies below 0 is the noise of a difference: it is shown and has no tick.
    axis(lowest.min(0.0), step * steps, ticks(0.0, step * steps, step))
}

/// Multiples of a step in a span.
pub(super) fn ticks(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step - 1e-6).ceil();
    let all = (0..MOST_TICKS).map(|n| (first + f64::from(n)) * step);
    all.take_while(|&tick| tick <= to + step * 1e-6).collect()
}

/// No axis has room for more.
const MOST_TICKS: u32 = 50;

/// The lowest and the highest of values.
pub(super) fn span(values: impl Iterator<Item = f64>) -> anyhow::Result<(f64, f64)> {
    let mut span: Option<(f64, f64)> = None;
    for value in values {
        ensure!(value.is_finite(), "{value} cannot be drawn");
        let (low, high) = span.unwrap_or((value, value));
        span = Some((low.min(value), high.max(value)));
    }
    span.context("there is nothing to draw")
}

/// The next of 1, 2 and 5 times a power of ten.
pub(super) fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * 0.999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!([1.0, 1.1, 2.4, 7.0, 0.03].map(step), [1.0, 2.0, 5.0, 10.0, 0.05]);
        assert_eq!(ticks(0.0, 127.0, 50.0), [0.0, 50.0, 100.0]);
        let axis = axis_from_zero((-0.5, 37.0), 4.0).unwrap();
        assert_eq!(axis.range(), -0.5..40.0);
    }

    #[test]
    fn nothing_is_no_axis() {
        assert!(axis(1.0, 1.0, vec![]).is_err() && axis(0.0, f64::NAN, vec![]).is_err());
        assert!(axis_from_zero((0.0, f64::INFINITY), 4.0).is_err());
        assert_eq!(axis_from_zero((0.0, 0.0), 4.0).unwrap().range(), 0.0..1.0);
        assert!(span(std::iter::empty()).is_err() && span([1.0, f64::NAN].into_iter()).is_err());
        assert_eq!(span([3.0, -1.0, 2.0].into_iter()).unwrap(), (-1.0, 3.0));
    }

    #[test]
    fn any_text_is_well_formed() {
        let svg = sheet(100, "a<b> & \"c\"", "it's", |_| Ok(())).unwrap();
        crate::plot::tests::check(&svg, &["a<b> & \"c\"", "it's"]);
    }
}
