//! A histogram that one thread writes and any thread reads, without locks.

use super::counter::Counter;

/// The number of bits below a value's leading one that select its bucket: a bucket's width is at most 1/16 of its values.
const SUB_BITS: u32 = 4;
const SUB: usize = 1 << SUB_BITS;
/// Values from 2^27 microseconds (134 s) on share the last bucket.
const OCTAVES: usize = 27 - SUB_BITS as usize;
const BUCKETS: usize = SUB * (OCTAVES + 1);

/// Counts of durations in microseconds, in buckets whose width is a sixteenth of their octave. A worker has one histogram of each kind, of
/// 3 KiB, which is cheap to write. Programs that report percentiles fill a full histogram from it.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&self, micros: u64) {
        self.buckets[bucket(micros)].add(1);
    }

    /// Returns pairs of a bucket's highest value in microseconds and the bucket's count, without empty buckets.
    pub(crate) fn snapshot(&self) -> Vec<(u64, u64)> {
        let counts = self.buckets.iter().map(Counter::get).enumerate();
        counts.filter(|&(_, count)| count > 0).map(|(at, count)| (highest(at), count)).collect()
    }
}

fn bucket(micros: u64) -> usize {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let within = usize::try_from(micros >> shift).unwrap_or(usize::MAX);
    (shift as usize * SUB + within).min(BUCKETS - 1)
}

fn highest(bucket: usize) -> u64 {
    let shift = (bucket / SUB).saturating_sub(1);
    let within = (bucket - shift * SUB) as u64;
    ((within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_a_bucket_at_most_a_sixteenth_wide() {
        for micros in (0..5_000).chain((0..27).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]))
        {
            let highest = highest(bucket(micros));
            assert!(micros <= highest && highest - micros <= micros / 16, "{micros} in {highest}");
        }
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let histogram = Histogram::default();
        histogram.record(0);
        histogram.record(u64::MAX);
        assert_eq!(histogram.snapshot(), [(0, 1), ((1 << 27) - 1, 1)]);
    }
}
