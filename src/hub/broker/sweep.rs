//! A sweep: rounds through the topics that stay without subscribers, a part of them at a time, for expired messages and topics.

use std::collections::VecDeque;
use std::time::Duration;

/// Time for a round through all topics.
pub(super) const ROUND_TIME: Duration = Duration::from_secs(5);
/// Longest time between two parts of a round.
pub(super) const MAX_INTERVAL: Duration = Duration::from_millis(100);
/// Least topics of a part.
pub(super) const MIN_PART: usize = 64;
/// Most topics of a part: one to two milliseconds of work. If there are more topics, the parts follow each other sooner.
pub(super) const MAX_PART: usize = 4096;

/// The topics that may stay without subscribers, and the state of the round through them.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Topics' places, in the order of the round. A place may belong to a new topic by now.
    pub(super) queue: VecDeque<u32>,
    /// When the last part began.
    pub(super) last_part_at: Duration,
    /// Topics of each part of the current round, time between its parts, and topics that are left of it.
    part_len: usize,
    interval: Duration,
    remaining: usize,
    /// Topics of the last part that were postponed because there was too much memory to free.
    pub(super) postponed: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            last_part_at: Duration::ZERO,
            part_len: 0,
            interval: MAX_INTERVAL,
            remaining: 0,
            postponed: 0,
        }
    }
}

impl Sweep {
    #[cfg(feature = "simulation")]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Adds a topic that is not in the list.
    pub(crate) fn add(&mut self, topic: u32) {
        self.queue.push_back(topic);
    }

    /// Returns the time between two parts; `None` where there are no topics.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let interval = if self.postponed > 0 { Duration::ZERO } else { self.interval };
        (!self.queue.is_empty()).then_some(interval)
    }

    /// Returns the number of topics that are due.
    pub(super) fn due(&mut self, now: Duration) -> usize {
        if self.postponed > 0 {
            return std::mem::take(&mut self.postponed);
        }
        if self.queue.is_empty() || now < self.last_part_at + self.interval {
            return 0;
        }
        self.last_part_at = now;
        if self.remaining == 0 {
            self.begin_round();
        }
        let part = self.part_len.min(self.remaining);
        self.remaining -= part;
        part
    }

    /// Frees memory where there are no topics.
    pub(super) fn free_if_empty(&mut self) {
        if self.queue.is_empty() {
            *self = Self { last_part_at: self.last_part_at, ..Self::default() };
        }
    }

    /// Begins another round. All its parts have the same length, even if most topics are removed during it: otherwise the last topics of a
    /// long list would wait too long.
    fn begin_round(&mut self) {
        self.remaining = self.queue.len();
        let parts = u32::try_from(self.remaining.div_ceil(MAX_PART)).unwrap_or(u32::MAX);
        self.interval = MAX_INTERVAL.min(ROUND_TIME / parts.max(1));
        let steps =
            usize::try_from(ROUND_TIME.as_micros() / self.interval.as_micros().max(1)).unwrap_or(usize::MAX);
        self.part_len = self.remaining.div_ceil(steps).max(MIN_PART);
    }
}
