//! What a metric is, and the macro that makes counters of a table of metrics.

/// A metric, as its table describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its key in JSON.
    pub key: &'static str,
    /// The name of its metric family in OpenMetrics, without the suffixes of samples.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it is measured in in OpenMetrics; `None` for what is only counted.
    pub unit: Option<Unit>,
    /// What it counts, as a doc comment.
    pub help: &'static str,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what there is now.
    Gauge,
    /// It counts durations by their length.
    Histogram,
}

/// What a metric is measured in.
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
    /// Of a counter or a gauge.
    Number(u64),
    /// Of a histogram: the highest value of each bucket in microseconds, in rising order, with the bucket's count.
    Histogram(&'a [(u64, u64)]),
}

/// Values of metrics, which were read at about the same time.
pub trait Snapshot {
    /// The table of the metrics.
    const METRICS: &'static [Metric];

    /// The values, in the order of the table.
    fn values(&self) -> Vec<Value<'_>>;
}

impl Kind {
    /// Its name in OpenMetrics.
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
    /// Its name in OpenMetrics, with which the names of its metrics end.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

/// Adds the counts of a histogram's buckets to those of another one.
pub(super) fn add_buckets(buckets: &mut Vec<(u64, u64)>, others: &[(u64, u64)]) {
    for &(highest, count) in others {
        match buckets.binary_search_by_key(&highest, |bucket| bucket.0) {
            Ok(at) => buckets[at].1 += count,
            Err(at) => buckets.insert(at, (highest, count)),
        }
    }
}

/// Makes the counters of a thread, and the snapshot of them, of a table of metrics.
///
/// Each entry is the text of the metric, for rustdoc, `# HELP` and docs/METRICS.md, and `KEY: KIND;` or `KEY: KIND(UNIT);`, where a kind is
/// `counter`, `gauge` or `histogram`. A metric's name is its key behind the prefix, or the name behind `as`.
macro_rules! metrics {
    (@cell histogram) => { $crate::base::histogram::Histogram };
    (@cell $kind:ident) => { $crate::base::counter::Counter };
    (@type histogram) => { Vec<(u64, u64)> };
    (@type $kind:ident) => { u64 };
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

        $($(#[doc = $doc:literal])+ $key:ident: $kind:ident $(($unit:ident))? $(as $name:literal)?;)+
    ) => {
        $(#[$counters_attribute])*
        $counters_visibility struct $counters {
            $($counters_visibility $key: $crate::metrics::table::metrics!(@cell $kind),)+
        }

        impl $counters {
            /// The counters as they are now. They are read one by one: sums over several may be off by what happened meanwhile.
            pub(crate) fn snapshot(&self) -> $stats {
                $stats { $($key: $crate::metrics::table::metrics!(@read $kind self.$key),)+ }
            }
        }

        $(#[$stats_attribute])*
        $stats_visibility struct $stats {
            $($(#[doc = $doc])+ $stats_visibility $key: $crate::metrics::table::metrics!(@type $kind),)+
        }

        impl $stats {
            /// Adds what another thread has counted.
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
