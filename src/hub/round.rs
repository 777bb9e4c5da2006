//! Messages of a topic on their way to its members.

use super::dialect::Dialect;
use super::indices::TopicIndex;
use super::rules::TopicRule;
use crate::worker::{Batch, Pushed};

/// One round: a few messages in a row, for everybody who was a member when it began.
#[derive(Debug)]
pub(crate) struct Round {
    /// How many of those that wait are its: they stay there, and count as under way, to its end.
    pub(crate) messages: usize,
    /// By the dialect's number; empty where nobody speaks that.
    pub(crate) batches: [Batch; Dialect::COUNT],
    /// Places below have been dealt with.
    pub(crate) place: u32,
    /// Who has joined since has this place or a higher one.
    pub(crate) end: u32,
}

/// An empty batch for a topic.
pub(crate) fn batch(topic: TopicIndex, rule: &TopicRule) -> Batch {
    let batch = Batch::new(topic.get(), rule.slow);
    if rule.compression { batch } else { batch.uncompressed() }
}

/// Empty places that cost as much to look at as a small message to push.
const EMPTY: usize = 64;

/// Counts a look at a place that nobody has.
pub(crate) const fn skip(empty: &mut usize, budget: &mut usize) {
    *empty += 1;
    if *empty == EMPTY {
        (*empty, *budget) = (0, budget.saturating_sub(1));
    }
}

/// What pushing a batch costs of a turn's budget, which is counted in small messages.
pub(crate) fn cost(batch: &Batch, pushed: Pushed) -> usize {
    // A call of the kernel, and its copying of bytes.
    let made = pushed.taken > 0 || pushed.undelivered > 0;
    if made { 1 + batch.bytes() / 4096 } else { 1 }
}
