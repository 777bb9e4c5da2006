//! A pass: the delivery of a few messages of a topic to each of its subscribers, in slices.

use crate::hub::dialect::Dialect;
use crate::hub::indices::TopicIndex;
use crate::hub::rules::TopicRule;
use crate::worker::{Batch, Pushed, SliceCursor};

/// One pass over the subscribers of a topic: a few consecutive messages, for all connections that were subscribers when the pass began.
#[derive(Debug)]
pub(crate) struct TopicPass {
    /// Number of the topic's queue entries that the pass sends. They stay in the queue, and count as under way, until the pass ends.
    pub(crate) messages: usize,
    /// The messages in the batches. The simulation reads them here instead of in the queue.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) totals: MessageTotals,
    /// Batches by the dialect's number; empty for a dialect without subscribers.
    pub(crate) batches: [Batch; Dialect::COUNT],
    /// The places of subscribers that the pass has still to visit. Subscribers that were added after the pass began have higher places.
    pub(crate) places: SliceCursor,
}

/// A number of messages, and the bytes of their payloads.
#[cfg(any(test, feature = "simulation"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MessageTotals {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

#[cfg(any(test, feature = "simulation"))]
impl std::iter::Sum for MessageTotals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |sum, more| Self {
            messages: sum.messages + more.messages,
            bytes: sum.bytes + more.bytes,
        })
    }
}

/// Makes an empty batch for a topic.
pub(crate) fn topic_batch(topic: TopicIndex, rule: &TopicRule) -> Batch {
    let batch = Batch::new(topic.get(), rule.slow);
    if rule.compression { batch } else { batch.uncompressed() }
}

/// Returns what pushing a batch costs of a turn's budget, whose unit is one small message.
pub(crate) fn push_cost(batch: &Batch, pushed: Pushed) -> usize {
    // The cost of a system call, and of the bytes that the kernel copies.
    let made = pushed.taken > 0 || pushed.undelivered > 0;
    if made { 1 + batch.bytes() / 4096 } else { 1 }
}
