//! What owners keep without subscribers, looked through for what is too old, a part at a time.

use std::collections::VecDeque;
use std::time::Duration;

/// Time in which all are looked through.
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// Time between two looks at a part of them.
pub(super) const STEP: Duration = Duration::from_millis(100);
/// The least topics in such a part.
pub(super) const LEAST: usize = 64;
/// The most: one to two milliseconds' work. Where there are more topics, the parts come sooner after each other.
pub(super) const MOST: usize = 4096;

/// Topics with a history, and where the round through them is.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// In the order in which they are looked through; a number may have come to mean another topic.
    pub(super) queue: VecDeque<u32>,
    /// When the last part was.
    pub(super) at: Duration,
    /// Topics in each part of the round under way, the time between those, and topics that it has not come to.
    part: usize,
    step: Duration,
    left: usize,
    /// Topics of the last part that were put off because there was so much to free.
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

    /// Adds a topic, which is not in it.
    pub(crate) fn add(&mut self, topic: u32) {
        self.queue.push_back(topic);
    }

    /// The time between two parts; `None` where there is nothing to look through.
    pub(crate) fn step(&self) -> Option<Duration> {
        let step = if self.put_off > 0 { Duration::ZERO } else { self.step };
        (!self.queue.is_empty()).then_some(step)
    }

    /// How many topics are due.
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

    /// Gives memory back where there is nothing to look through.
    pub(super) fn rest(&mut self) {
        if self.queue.is_empty() {
            *self = Self { at: self.at, ..Self::default() };
        }
    }

    /// Begins another round. Its parts are as long to its end, though most topics may go in it: otherwise the last of many would be
    /// looked at late.
    fn begin(&mut self) {
        self.left = self.queue.len();
        let parts = u32::try_from(self.left.div_ceil(MOST)).unwrap_or(u32::MAX);
        self.step = STEP.min(ROUND / parts.max(1));
        let steps = usize::try_from(ROUND.as_micros() / self.step.as_micros().max(1)).unwrap_or(usize::MAX);
        self.part = self.left.div_ceil(steps).max(LEAST);
    }
}
