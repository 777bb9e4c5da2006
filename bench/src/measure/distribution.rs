//! Latencies with all their resolution: what percentiles are taken from, and what runs are added up in.

use std::fmt::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest latency that is told apart from longer ones: 5 minutes, in microseconds.
const LONGEST_US: u64 = 300_000_000;
/// Lines of the percentile file for each halving of what is left to 100 %, as the other HdrHistograms write it.
const TICKS_PER_HALF: u32 = 5;

/// A duration in whole microseconds, as a [`Distribution`] counts them.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Latencies in microseconds, three digits exact, from 1 microsecond to 5 minutes.
///
/// It is to be added, never its percentiles averaged. An empty one takes no memory, another one 150 KiB: one a thread, never
/// one a connection. In JSON it is an object of its [`Percentiles`] and its [`buckets`](Self::buckets), from which alone it
/// is read again: `{"count":2,"mean":5.5,"p50":5,...,"max":6,"buckets":[[5,1],[6,1]]}`.
#[derive(Clone, Default)]
pub(crate) struct Distribution(Option<Box<Histogram<u64>>>);

impl Distribution {
    /// Counts a latency; one beyond 5 minutes as 5 minutes.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.histogram().saturating_record(micros(latency));
    }

    /// Adds what another one has counted, exactly.
    pub(crate) fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            // Both have the same bounds, so that adding cannot fail.
            let _ = self.histogram().add(&**other);
        }
    }

    /// The latencies counted in buckets (highest value in microseconds, count), those in `before` taken away: what a server
    /// that only ever adds has counted between two looks.
    pub(crate) fn from_buckets(buckets: &[(u64, u64)], before: &[(u64, u64)]) -> Self {
        let mut distribution = Self::default();
        for &(highest, count) in buckets {
            let earlier = before.iter().find(|bucket| bucket.0 == highest).map_or(0, |bucket| bucket.1);
            let count = count.saturating_sub(earlier);
            if count > 0 {
                distribution.histogram().saturating_record_n(highest, count);
            }
        }
        distribution
    }

    /// All buckets that are not empty: the highest value that counts into each, in microseconds, and how many did.
    pub(crate) fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.0.iter().flat_map(|histogram| histogram.iter_recorded());
        recorded.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// The smallest latency in microseconds that the part `quantile` (0 to 1) of them does not exceed; 0 when there are none.
    pub(crate) fn value_at(&self, quantile: f64) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile))
    }

    /// The figures that reports show.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let Some(histogram) = &self.0 else { return Percentiles::default() };
        Percentiles {
            count: histogram.len(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            p99_99: histogram.value_at_quantile(0.9999),
            max: histogram.max(),
        }
    }

    /// The distribution as HdrHistogram's percentile file, which <http://hdrhistogram.github.io/HdrHistogram/plotFiles.html>
    /// draws. Values are in milliseconds, as is customary for these files.
    pub(crate) fn hgrm(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let empty = histogram();
        let histogram = self.0.as_deref().unwrap_or(&empty);
        let mut total = 0;
        for step in histogram.iter_quantiles(TICKS_PER_HALF) {
            total += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            // Writing to a string cannot fail.
            let _ = write!(text, "{:12.3} {quantile:14.12} {total:>10}", millis(step.value_iterated_to()));
            // The last line stands for 100 %, of which there is no inverse.
            if quantile < 1.0 {
                let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
            }
            text.push('\n');
        }
        let (mean, deviation) = (histogram.mean() / 1e3, histogram.stdev() / 1e3);
        let _ = write!(
            text,
            "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n\
             #[Max     = {:12.3}, Total count    = {:12}]\n\
             #[Buckets = {:12}, SubBuckets     = {:12}]\n",
            millis(histogram.max()),
            histogram.len(),
            histogram.buckets(),
            // Twice the values that three digits need, rounded up to a power of two (HdrHistogram's own rule).
            2048,
        );
        text
    }

    fn histogram(&mut self) -> &mut Histogram<u64> {
        self.0.get_or_insert_with(|| Box::new(histogram()))
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("constant bounds that the histogram accepts")
}

fn millis(us: u64) -> f64 {
    us as f64 / 1e3
}

impl PartialEq for Distribution {
    fn eq(&self, other: &Self) -> bool {
        self.buckets() == other.buckets()
    }
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.percentiles().fmt(f)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.percentiles().fmt(f)
    }
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole {
            #[serde(flatten)]
            percentiles: Percentiles,
            buckets: Vec<(u64, u64)>,
        }
        Whole { percentiles: self.percentiles(), buckets: self.buckets() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Buckets {
            buckets: Vec<(u64, u64)>,
        }
        Buckets::deserialize(deserializer).map(|whole| Self::from_buckets(&whole.buckets, &[]))
    }
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

    fn of(latencies_us: impl IntoIterator<Item = u64>) -> Distribution {
        let mut distribution = Distribution::default();
        latencies_us.into_iter().for_each(|us| distribution.record(Duration::from_micros(us)));
        distribution
    }

    #[test]
    fn it_passes_through_json_without_loss() {
        for original in [Distribution::default(), of((0..5_000).map(|i| i * i)), of([1 << 40])] {
            let json = serde_json::to_value(&original).unwrap();
            let read: Distribution = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(read, original);
            assert_eq!(read.percentiles(), original.percentiles());
            assert_eq!(json["p99_99"], original.percentiles().p99_99);
        }
        assert!(serde_json::from_str::<Distribution>(r#"{"p50":7}"#).is_err());
    }

    #[test]
    fn adding_is_as_if_all_had_been_counted_in_one() {
        let mut sum = of((0..2_000).map(|i| i * 7));
        sum.add(&of((2_000..3_000).map(|i| i * 7)));
        sum.add(&Distribution::default());
        let whole = of((0..3_000).map(|i| i * 7));
        assert_eq!((&sum, sum.percentiles()), (&whole, whole.percentiles()));
    }

    #[test]
    fn buckets_are_counted_less_what_was_there_before() {
        let percentiles =
            Distribution::from_buckets(&[(10, 98), (100, 7), (1_000, 2)], &[(100, 7)]).percentiles();
        assert_eq!((percentiles.count, percentiles.p50), (100, 10));
        assert!(percentiles.p99 >= 1_000 && percentiles.max >= 1_000, "{percentiles:?}");
        assert_eq!(Distribution::from_buckets(&[(5, 3)], &[(5, 3)]).percentiles(), Percentiles::default());
    }

    #[test]
    fn the_percentile_file_has_the_columns_and_comments_that_plotters_read() {
        let text = of((1..=1_000).map(|i| i * 1_000)).hgrm();
        let mut lines = text.lines();
        let titles: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(titles, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        let rows: Vec<Vec<f64>> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect())
            .collect();
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0 && median[2] == 500.0 && median[3] == 2.0, "{median:?}");
        let last = rows.last().unwrap();
        assert!(last.len() == 3 && last[1] == 1.0 && last[2] == 1_000.0, "{last:?}");
        assert!(text.contains("#[Mean    =      500.5"), "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
        assert!(Distribution::default().hgrm().contains("Total count    =            0]"));
    }

    #[test]
    fn units_suit_the_value() {
        let shown = [7, 1_250, 2_500_000].map(|us| Us(us).to_string());
        assert_eq!(shown, ["7 us", "1.25 ms", "2.50 s"]);
    }
}
