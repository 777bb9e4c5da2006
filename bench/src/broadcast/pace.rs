//! When messages are published, by the clock.

use std::time::Duration;

use anyhow::ensure;

/// Most batches of a run: each has its latest receipt noted.
pub(super) const MOST_BATCHES: u32 = 1_000_000;

/// When the batches of a stretch are to be published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Batches; `None` for as many as the time allows.
    pub(super) batches: Option<u32>,
    /// Nanoseconds between them.
    apart: f64,
}

impl Pace {
    /// The batches of so many messages in some time.
    pub(super) fn new(rate: Option<f64>, in_flight: u32, time: Duration) -> anyhow::Result<Self> {
        let Some(rate) = rate else { return Ok(Self { batches: None, apart: 0.0 }) };
        let batches_a_second = rate / f64::from(in_flight);
        let wanted = (time.as_secs_f64() * batches_a_second).round();
        ensure!(
            wanted <= f64::from(MOST_BATCHES),
            "--rate and --duration make {wanted} batches: at most {MOST_BATCHES} are supported"
        );
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        let batches = if time.is_zero() { 0 } else { (wanted as u32).max(1) };
        Ok(Self { batches: Some(batches), apart: 1e9 / batches_a_second })
    }

    /// When the batch with this number is planned, in nanoseconds after the start.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and below 2^63 for centuries"
    )]
    pub(super) fn planned(&self, number: u32) -> u64 {
        (f64::from(number) * self.apart) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn batches_are_planned_by_the_clock() {
        let pace = Pace::new(Some(100.0), 4, 10 * SECOND).unwrap();
        assert_eq!(pace.batches, Some(250));
        assert_eq!((pace.planned(0), pace.planned(1), pace.planned(250)), (0, 40_000_000, 10_000_000_000));
        assert_eq!(Pace::new(Some(0.01), 1, SECOND).unwrap().batches, Some(1));
        assert_eq!(Pace::new(Some(1e3), 1, Duration::ZERO).unwrap().batches, Some(0));
        assert_eq!(Pace::new(None, 1, SECOND).unwrap().batches, None);
        assert_eq!(Pace::new(Some(1e6), 1, SECOND).unwrap().batches, Some(MOST_BATCHES));
        let error = Pace::new(Some(1e6), 1, 2 * SECOND).unwrap_err().to_string();
        assert!(error.contains("--rate"), "{error}");
    }
}
