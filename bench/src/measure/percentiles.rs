//! Latency figures for reports.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A duration in whole microseconds, as a [`Distribution`](super::distribution::Distribution) counts them.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Figures of a latency in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) p99_99: u64,
    pub(crate) max: u64,
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
    fn units_suit_the_value() {
        let shown = [7, 1_250, 2_500_000].map(|us| Us(us).to_string());
        assert_eq!(shown, ["7 us", "1.25 ms", "2.50 s"]);
    }
}
