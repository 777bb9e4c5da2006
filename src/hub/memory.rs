//! How much memory a hub takes for what it counts.

use super::history::ITEM_COST;
use super::index::ENTRY_COST;
use super::members::Member;
use super::seat::Seat;
use super::{home_topic, topic};
use crate::metrics::HubStats;

/// Bytes of a topic's name, about: most are a few words long.
const NAME: usize = 48;
/// Bytes of a topic at its home, with its name, and of what finds it.
const TOPIC: usize = size_of::<home_topic::Topic>() + NAME + ENTRY_COST;
/// Bytes of a topic on a worker with subscribers, which shares the name, and of what finds it.
const LOCAL_TOPIC: usize = size_of::<topic::Topic>() + ENTRY_COST;
/// Bytes of a subscription: in the connection's record, and in the topic's list.
const SUBSCRIPTION: usize = size_of::<Seat>() + size_of::<Member>();

/// Bytes of memory that a hub takes which has counted so much, about.
pub(super) const fn memory(stats: &HubStats) -> u64 {
    stats.topics * TOPIC as u64
        + stats.local_topics * LOCAL_TOPIC as u64
        + stats.subscriptions * SUBSCRIPTION as u64
        + stats.history_messages * ITEM_COST as u64
        + stats.history_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docs/HUB.md says of it.
    #[test]
    fn topics_and_subscriptions_take_what_the_documentation_says() {
        assert_eq!((TOPIC, LOCAL_TOPIC, SUBSCRIPTION), (48 + 48 + 16, 48 + 16, 12));
        let stats = HubStats { topics: 1, subscriptions: 10, history_bytes: 5, ..HubStats::default() };
        assert_eq!(memory(&stats), 112 + 120 + 5);
    }
}
