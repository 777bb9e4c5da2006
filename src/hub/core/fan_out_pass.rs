//! Messages of a topic on their way to its subscribers.

use crate::hub::dialect::Dialect;
use crate::hub::indices::TopicIndex;
use crate::hub::rules::TopicRule;
use crate::worker::{Batch, Pass, Pushed};

/// One pass over the subscribers of a topic: a few messages in a row, for all connections that were subscribers when it began.
#[derive(Debug)]
pub(crate) struct FanOutPass {
    /// How many entries of the topic's queue it sends. They stay in the queue, and count as under way, to its end.
    pub(crate) messages: usize,
    /// The messages in its batches, and bytes of their payloads: for the simulation, which does not ask the queue for them.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) kept: [usize; 2],
    /// By the dialect's number; empty where no subscriber speaks that.
    pub(crate) batches: [Batch; Dialect::COUNT],
    /// Over the places of subscribers. Subscribers that have come since it began have places behind its end.
    pub(crate) places: Pass,
}

/// An empty batch for a topic.
pub(crate) fn batch(topic: TopicIndex, rule: &TopicRule) -> Batch {
    let batch = Batch::new(topic.get(), rule.slow);
    if rule.compression { batch } else { batch.uncompressed() }
}

/// What pushing a batch costs of a turn's budget, which is counted in small messages.
pub(crate) fn cost(batch: &Batch, pushed: Pushed) -> usize {
    // A call of the kernel, and its copying of bytes.
    let made = pushed.taken > 0 || pushed.undelivered > 0;
    if made { 1 + batch.bytes() / 4096 } else { 1 }
}
