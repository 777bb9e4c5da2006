//! Latency figures for reports.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told apart from longer ones: 5 minutes, in microseconds.
const LONGEST_US: u64 = 300_000_000;

/// A histogram of microseconds, three digits exact, from 1 microsecond to 5 minutes.
///
/// # Panics
/// Never: the bounds are constants that the histogram accepts.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("constant bounds that the histogram accepts")
}

/// A duration in whole microseconds, as [`histogram`] counts them.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Percentiles of a latency in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p99_9: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    /// The percentiles of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }

    /// The percentiles of counts in buckets (highest value, count), those in `before` taken away.
    #[must_use]
    pub fn of_buckets(buckets: &[(u64, u64)], before: &[(u64, u64)]) -> Self {
        let mut histogram = histogram();
        for &(highest, count) in buckets {
            let earlier = before.iter().find(|bucket| bucket.0 == highest).map_or(0, |bucket| bucket.1);
            histogram.saturating_record_n(highest, count.saturating_sub(earlier));
        }
        Self::of(&histogram)
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p99_9, max, .. } = *self;
        write!(f, "p50 {}  p99 {}  p99.9 {}  max {}", Us(p50), Us(p99), Us(p99_9), Us(max))
    }
}

/// Microseconds in the unit that suits them.
struct Us(u64);

impl fmt::Display for Us {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = match self.0 {
            us @ 0..1_000 => return write!(f, "{us} us"),
            us @ 1_000..1_000_000 => (us / 1_000, us % 1_000 / 10),
            us => return write!(f, "{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        };
        write!(f, "{whole}.{rest:02} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_counted_less_what_was_there_before() {
        let percentiles = Percentiles::of_buckets(&[(10, 98), (100, 7), (1_000, 2)], &[(100, 7)]);
        assert_eq!((percentiles.count, percentiles.p50), (100, 10));
        assert!(percentiles.p99 >= 1_000 && percentiles.max >= 1_000, "{percentiles:?}");
        assert_eq!(Percentiles::of_buckets(&[], &[]), Percentiles::default());
    }

    #[test]
    fn units_suit_the_value() {
        let shown = [7, 1_250, 2_500_000].map(|us| Us(us).to_string());
        assert_eq!(shown, ["7 us", "1.25 ms", "2.50 s"]);
    }
}
