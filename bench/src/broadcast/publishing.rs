//! Messages published by the clock, and waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::pace::{MOST_BATCHES, Pace};
use super::report::Published;
use super::subject::Subject;
use crate::engine::driver::{Driver, LOOK};
use crate::engine::feed::{Batch, Feed, now_nanos};
use crate::measure::distribution::micros;

/// How often the main thread looks while the next batch waits for the one before.
const CLOSE_LOOK: Duration = Duration::from_micros(200);

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
