//! Pictures of reports, as SVG.
//!
//! All are as wide as a README shows without scaling. They draw what they are given: figures that are not finite, or curves
//! without a point, are errors and no gaps that nobody sees.

mod bars;
mod bytes;
mod cost;
mod latency;
mod ratios;
mod samples;
mod scale;
mod sheet;
mod timeline;
mod units;

pub(crate) use bars::{BarOf, BarPanel, bars};
pub(crate) use bytes::{Bytes, bytes};
pub(crate) use cost::{CostPanel, cost};
pub(crate) use latency::{Curve, LatencyPanel, latency};
pub(crate) use ratios::{RatioRow, Rival, ratios};
pub(crate) use samples::{Phase, Sample, Timeline};
pub(crate) use scale::Kind;
pub(crate) use timeline::timeline;

#[cfg(test)]
mod tests {
    /// Panics unless a picture is well-formed XML that holds the texts and no coordinate that is none.
    pub(super) fn check(svg: &str, expected: &[&str]) {
        let document = roxmltree::Document::parse(svg).unwrap();
        assert!(document.root_element().has_tag_name("svg"));
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
        for text in expected {
            assert!(texts.contains(text), "`{text}` is not in {texts:?}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
