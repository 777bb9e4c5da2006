//! Snapshots as text in the OpenMetrics format (OpenMetrics 1.0.0, <https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt::{self, Write};

use super::table::{Kind, Metric, Snapshot, Value};

/// The media type of the text, as in a `Content-Type` field.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Exponents of the histograms' bucket bounds. A bound is a power of two in microseconds, minus one: from 64 us to 67 s. The histograms in
/// memory have these bounds too, so that no count has to be split.
pub(super) const BOUNDS: std::ops::RangeInclusive<u32> = 6..=26;

/// A text in the OpenMetrics format, to which snapshots are added one by one.
///
/// ```
/// use throng::metrics::Exposition;
///
/// let mut exposition = Exposition::default();
/// exposition.add(&throng::Stats::default());
/// assert!(exposition.finish().ends_with("# EOF\n"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds all metrics of a snapshot. Each type of snapshot can be added only once, since a metric family must not occur twice.
    pub fn add<S: Snapshot>(&mut self, snapshot: &S) {
        for (metric, value) in S::METRICS.iter().zip(snapshot.values()) {
            self.add_metric(metric, value);
        }
    }

    /// Adds facts about a program, such as its version: a metric family of the type `info`, with a label for each fact. `name`, without the
    /// suffix `_info`, and the names of the labels must be valid OpenMetrics names.
    pub fn add_info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) {
        self.describe(name, "info", None, help);
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", Escaped(value))).collect();
        self.line(format_args!("{name}_info{{{}}} 1", labels.join(",")));
    }

    /// Returns the whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.line(format_args!("# EOF"));
        self.text
    }

    fn add_metric(&mut self, metric: &Metric, value: Value<'_>) {
        let name = metric.name;
        self.describe(name, metric.kind.name(), metric.unit.map(super::Unit::name), metric.help);
        match (metric.kind, value) {
            (Kind::Counter, Value::Number(number)) => self.line(format_args!("{name}_total {number}")),
            (_, Value::Number(number)) => self.line(format_args!("{name} {number}")),
            (_, Value::Histogram(buckets)) => self.add_buckets(name, buckets),
        }
    }

    /// Writes the metadata of a metric family.
    fn describe(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        self.line(format_args!("# HELP {name} {}", Escaped(&help)));
    }

    /// Writes a histogram's samples. The buckets do not contain the sum of all durations, so the text has no sum, and therefore no count
    /// either.
    fn add_buckets(&mut self, name: &str, buckets: &[(u64, u64)]) {
        for bound in BOUNDS {
            let bound = (1 << bound) - 1;
            let within = &buckets[..buckets.partition_point(|&(highest, _)| highest <= bound)];
            let count: u64 = within.iter().map(|(_, count)| count).sum();
            self.line(format_args!(
                "{name}_bucket{{le=\"{}.{:06}\"}} {count}",
                bound / 1_000_000,
                bound % 1_000_000
            ));
        }
        let count: u64 = buckets.iter().map(|(_, count)| count).sum();
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A text of metadata or of a label, in which a backslash, a quotation mark and a line feed are escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
