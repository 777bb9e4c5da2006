//! Descriptions of metrics, and the macro that makes counters from a table of metrics.

/// The description of a metric in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The metric's key in JSON.
    pub key: &'static str,
    /// The name of the metric family in OpenMetrics, without the suffixes of samples.
    pub name: &'static str,
    /// The metric's kind.
    pub kind: Kind,
    /// The metric's unit in OpenMetrics; `None` for a plain count.
    pub unit: Option<Unit>,
    /// What the metric counts: the doc comment of its table entry.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A count that only grows.
    Counter,
    /// A current value, which may fall.
    Gauge,
    /// Counts of durations, by ranges of their length.
    Histogram,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// The value of a counter or a gauge.
    Number(u64),
    /// The buckets of a histogram: the highest value of each bucket in microseconds, in ascending order, with the bucket's count.
    Histogram(&'a [(u64, u64)]),
}

/// Values of metrics, read at about the same time.
pub trait Snapshot {
    /// The table of the metrics.
    const METRICS: &'static [Metric];

    /// Returns the values, in the order of the table.
    fn values(&self) -> Vec<Value<'_>>;
}

impl Kind {
    /// Returns the kind's name in OpenMetrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Unit {
    /// Returns the unit's name in OpenMetrics. The names of metrics with this unit end with it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

/// Adds the counts of a histogram's buckets to those of another histogram.
pub(super) fn add_buckets(buckets: &mut Vec<(u64, u64)>, others: &[(u64, u64)]) {
    for &(highest, count) in others {
        match buckets.binary_search_by_key(&highest, |bucket| bucket.0) {
            Ok(at) => buckets[at].1 += count,
            Err(at) => buckets.insert(at, (highest, count)),
        }
    }
}

/// Defines the counters of a thread, and the snapshot of them, from a table of metrics.
///
/// Each entry is the metric's text, for rustdoc, `# HELP` and docs/METRICS.md, and `KEY: KIND;` or `KEY: KIND(UNIT);`, where the kind is
/// `counter`, `gauge` or `histogram`. A metric's name is the prefix followed by its key, or by the name after `as`. A number that another
/// part of the program keeps ends with `in PART`: it has no counter here and is 0 in a snapshot, and the code that makes a whole snapshot
/// sets it.
macro_rules! metrics {
    (@cell $kind:ident in $part:ident) => { () };
    (@cell histogram) => { $crate::base::histogram::Histogram };
    (@cell $kind:ident) => { $crate::base::counter::Counter };
    (@type histogram) => { Vec<(u64, u64)> };
    (@type $kind:ident) => { u64 };
    (@read in $part:ident $kind:ident $cell:expr) => {{
        let () = $cell;
        0
    }};
    (@read histogram $cell:expr) => { $cell.snapshot() };
    (@read $kind:ident $cell:expr) => { $cell.get() };
    (@add histogram $sum:expr, $more:expr) => { $crate::metrics::table::add_buckets(&mut $sum, &$more) };
    (@add $kind:ident $sum:expr, $more:expr) => { $sum += $more };
    (@value histogram $value:expr) => { $crate::metrics::Value::Histogram(&$value) };
    (@value $kind:ident $value:expr) => { $crate::metrics::Value::Number($value) };
    (@kind counter) => { $crate::metrics::Kind::Counter };
    (@kind gauge) => { $crate::metrics::Kind::Gauge };
    (@kind histogram) => { $crate::metrics::Kind::Histogram };
    (@unit) => { None };
    (@unit bytes) => { Some($crate::metrics::Unit::Bytes) };
    (@unit seconds) => { Some($crate::metrics::Unit::Seconds) };
    (@name $prefix:literal $key:ident) => { concat!($prefix, stringify!($key)) };
    (@name $prefix:literal $key:ident $name:literal) => { concat!($prefix, $name) };
    (
        $(#[$counters_attribute:meta])*
        $counters_visibility:vis struct $counters:ident;

        $(#[$stats_attribute:meta])*
        $stats_visibility:vis struct $stats:ident, $prefix:literal;

        $($(#[doc = $doc:literal])+ $key:ident: $kind:ident $(($unit:ident))? $(as $name:literal)? $(in $part:ident)?;)+
    ) => {
        $(#[$counters_attribute])*
        $counters_visibility struct $counters {
            $($counters_visibility $key: $crate::metrics::table::metrics!(@cell $kind $(in $part)?),)+
        }

        impl $counters {
            /// Returns the current values. Reads the counters one by one, so that sums over several may be off by concurrent changes.
            pub(crate) fn snapshot(&self) -> $stats {
                $stats { $($key: $crate::metrics::table::metrics!(@read $(in $part)? $kind self.$key),)+ }
            }
        }

        $(#[$stats_attribute])*
        $stats_visibility struct $stats {
            $($(#[doc = $doc])+ $stats_visibility $key: $crate::metrics::table::metrics!(@type $kind),)+
        }

        impl $stats {
            /// Adds the values of another thread.
            $stats_visibility fn merge(&mut self, other: &Self) {
                $($crate::metrics::table::metrics!(@add $kind self.$key, other.$key);)+
            }
        }

        impl $crate::metrics::Snapshot for $stats {
            const METRICS: &'static [$crate::metrics::Metric] = &[$($crate::metrics::Metric {
                key: stringify!($key),
                name: $crate::metrics::table::metrics!(@name $prefix $key $($name)?),
                kind: $crate::metrics::table::metrics!(@kind $kind),
                unit: $crate::metrics::table::metrics!(@unit $($unit)?),
                help: concat!($($doc, "\n"),+),
            },)+];

            fn values(&self) -> Vec<$crate::metrics::Value<'_>> {
                vec![$($crate::metrics::table::metrics!(@value $kind self.$key),)+]
            }
        }
    };
}
pub(super) use metrics;
