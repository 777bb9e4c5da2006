//! Messages published by the clock, and waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use indicatif::ProgressBar;

use super::report::Published;
use super::subject::Subject;
use crate::engine::driver::{Driver, LOOK};
use crate::engine::feed::{Batch, Feed, now_nanos};
use crate::measure::percentiles::micros;

/// How often the main thread looks while the next batch waits for the one before.
const CLOSE_LOOK: Duration = Duration::from_micros(200);
/// Most batches of a run: each has its latest receipt noted.
const MOST_BATCHES: u32 = 1_000_000;

/// Whoever publishes, and what has been published so far.
pub(super) struct Publishing {
    pub(super) feed: Arc<Feed>,
    /// Messages per second; `None` for each batch to follow the one before.
    pub(super) rate: Option<f64>,
    /// How long nobody may have received anything.
    pub(super) patience: Duration,
    /// Subscribers that read, by topic.
    pub(super) readers: Vec<u64>,
    /// Batches published.
    pub(super) batches: u32,
    /// Messages that the subscribers together should have received.
    pub(super) expected: u64,
}

/// When the batches of a stretch are to be published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Batches; `None` for as many as the time allows.
    batches: Option<u32>,
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
    fn planned(&self, number: u32) -> u64 {
        (f64::from(number) * self.apart) as u64
    }
}

impl Publishing {
    /// Publishes for some time, and waits until all of it has been received, or nothing more comes.
    pub(super) fn run(
        &mut self,
        time: Duration,
        subject: &mut Subject<'_>,
        driver: &Driver,
        bar: &ProgressBar,
    ) -> anyhow::Result<Published> {
        let in_flight = self.feed.plan().in_flight;
        let pace = Pace::new(self.rate, in_flight, time)?;
        let mut published = Published { began: now_nanos(), ..Published::default() };
        let start = Instant::now();
        for number in 0..pace.batches.unwrap_or(MOST_BATCHES) {
            let planned = match pace.batches {
                Some(_) => published.began + pace.planned(number),
                None if start.elapsed() >= time => break,
                None => now_nanos(),
            };
            Self::until(planned, driver, bar)?;
            self.publish(planned, subject, &mut published)?;
            if pace.batches.is_none() && !self.await_all(driver, CLOSE_LOOK, bar)? {
                break;
            }
        }
        self.await_all(driver, LOOK, bar)?;
        Ok(published)
    }

    fn publish(
        &mut self,
        planned: u64,
        subject: &mut Subject<'_>,
        published: &mut Published,
    ) -> anyhow::Result<()> {
        let Batch { topic, first } = self.feed.batch(self.batches);
        let in_flight = self.feed.plan().in_flight;
        let messages = first..first + in_flight;
        let messages: Vec<String> =
            messages.map(|sequence| self.feed.message(topic, sequence, planned)).collect();
        let (start, before) = (Instant::now(), published.refused.values().sum::<u64>());
        published.behind_us =
            published.behind_us.max(micros(Duration::from_nanos(now_nanos().saturating_sub(planned))));
        subject.publish(topic, &messages, &mut published.refused)?;
        published.request_us.record(start.elapsed());
        let refused = published.refused.values().sum::<u64>() - before;
        self.batches += 1;
        published.batches += 1;
        published.messages += u64::from(in_flight);
        let due = u64::from(in_flight) * self.readers[topic as usize];
        published.expected += due;
        self.expected += due - refused * self.readers[topic as usize];
        Ok(())
    }

    fn until(planned: u64, driver: &Driver, bar: &ProgressBar) -> anyhow::Result<()> {
        loop {
            let left = Duration::from_nanos(planned.saturating_sub(now_nanos()));
            if left.is_zero() {
                return Ok(());
            }
            Self::look(driver, left.min(LOOK), bar)?;
        }
    }

    /// Waits until all has been received. `false` when nothing has come for too long.
    fn await_all(&self, driver: &Driver, pause: Duration, bar: &ProgressBar) -> anyhow::Result<bool> {
        let (mut received, mut since) = (0, Instant::now());
        loop {
            let now = driver.engine.counts().messages_in;
            if now >= self.expected {
                return Ok(true);
            }
            if now > received {
                (received, since) = (now, Instant::now());
            } else if since.elapsed() >= self.patience {
                return Ok(false);
            }
            Self::look(driver, pause, bar)?;
        }
    }

    /// One look, and a little sleep.
    fn look(driver: &Driver, pause: Duration, bar: &ProgressBar) -> anyhow::Result<()> {
        if !bar.is_hidden() {
            bar.set_position(driver.engine.counts().messages_in);
        }
        driver.look(pause)
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
