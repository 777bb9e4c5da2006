//! An estimate of a hub's memory, made from its counters.

use super::broker::{STORED_MESSAGE_COST, TOPIC_SIZE};
use super::core::{LOCAL_TOPIC_SIZE, SUBSCRIPTION_SIZE};
use super::topic_lookup::ENTRY_COST;
use crate::metrics::HubStats;

/// Approximate bytes of a topic's name: most names are a few words long.
const NAME_BYTES: usize = 48;
/// Bytes of a topic at its owner, with its name and its entry in the index.
const OWNED_TOPIC_BYTES: usize = TOPIC_SIZE + NAME_BYTES + ENTRY_COST;
/// Bytes of a topic on a worker with subscribers, with its entry in the index. The topic shares its owner's name.
const LOCAL_TOPIC_BYTES: usize = LOCAL_TOPIC_SIZE + ENTRY_COST;
/// Returns the approximate bytes of memory of a hub with these counters.
pub(super) const fn memory(stats: &HubStats) -> u64 {
    stats.topics * OWNED_TOPIC_BYTES as u64
        + stats.local_topics * LOCAL_TOPIC_BYTES as u64
        + stats.subscriptions * SUBSCRIPTION_SIZE as u64
        + stats.history_messages * STORED_MESSAGE_COST as u64
        + stats.history_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/HUB.md states these sizes.
    #[test]
    fn topics_and_subscriptions_take_what_the_documentation_says() {
        assert_eq!((OWNED_TOPIC_BYTES, LOCAL_TOPIC_BYTES, SUBSCRIPTION_SIZE), (48 + 48 + 16, 48 + 16, 12));
        let stats = HubStats { topics: 1, subscriptions: 10, history_bytes: 5, ..HubStats::default() };
        assert_eq!(memory(&stats), 112 + 120 + 5);
    }
}
