//! A sweep: rounds through the topics that stay without subscribers, a part of them at a time, for expired messages and topics.

use std::collections::VecDeque;
use std::time::Duration;

/// Time for a round through all topics.
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// Longest time between two parts of a round.
pub(super) const STEP: Duration = Duration::from_millis(100);
/// Least topics of a part.
pub(super) const LEAST: usize = 64;
/// Most topics of a part: one to two milliseconds of work. If there are more topics, the parts follow each other sooner.
pub(super) const MOST: usize = 4096;

/// The topics that may stay without subscribers, and the state of the round through them.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Topics' places, in the order of the round. A place may belong to a new topic by now.
    pub(super) queue: VecDeque<u32>,
    /// When the last part began.
    pub(super) at: Duration,
    /// Topics of each part of the current round, time between its parts, and topics that are left of it.
    part: usize,
    step: Duration,
    left: usize,
    /// Topics of the last part that were put off because there was too much memory to free.
    pub(super) put_off: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { queue: VecDeque::new(), at: Duration::ZERO, part: 0, step: STEP, left: 0, put_off: 0 }
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
    pub(crate) fn step(&self) -> Option<Duration> {
        let step = if self.put_off > 0 { Duration::ZERO } else { self.step };
        (!self.queue.is_empty()).then_some(step)
    }

    /// Returns the number of topics that are due.
    pub(super) fn due(&mut self, now: Duration) -> usize {
        if self.put_off > 0 {
            return std::mem::take(&mut self.put_off);
        }
        if self.queue.is_empty() || now < self.at + self.step {
            return 0;
        }
        self.at = now;
        if self.left == 0 {
            self.begin();
        }
        let part = self.part.min(self.left);
        self.left -= part;
        part
    }

    /// Frees memory where there are no topics.
    pub(super) fn rest(&mut self) {
        if self.queue.is_empty() {
            *self = Self { at: self.at, ..Self::default() };
        }
    }

    /// Begins another round. All its parts have the same length, even if most topics are removed during it: otherwise the last topics of a
    /// long list would wait too long.
    fn begin(&mut self) {
        self.left = self.queue.len();
        let parts = u32::try_from(self.left.div_ceil(MOST)).unwrap_or(u32::MAX);
        self.step = STEP.min(ROUND / parts.max(1));
        let steps = usize::try_from(ROUND.as_micros() / self.step.as_micros().max(1)).unwrap_or(usize::MAX);
        self.part = self.left.div_ceil(steps).max(LEAST);
    }
}
