//! The subscriptions of a connection with several.

use hashbrown::HashTable;

use super::client_state::Subscription;
use crate::hub::indices::TopicIndex;

/// Most subscriptions that a linear search covers.
const LINEAR_SEARCH_MAX: usize = 32;

/// Subscriptions, one for each topic. A large set is a hash table by topic, so that a request of a client with 100,000 subscriptions costs
/// no more than one of a client with ten.
#[derive(Debug)]
pub(crate) enum SubscriptionSet {
    List(Vec<Subscription>),
    Table(Box<HashTable<Subscription>>),
}

impl SubscriptionSet {
    pub(crate) fn new(first: Subscription, second: Subscription) -> Self {
        Self::List(vec![first, second])
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(subs) => subs.len(),
            Self::Table(subs) => subs.len(),
        }
    }

    /// Returns the subscription to a topic.
    pub(crate) fn get(&self, topic: TopicIndex) -> Option<Subscription> {
        match self {
            Self::List(subs) => subs.iter().find(|subscription| subscription.topic == topic).copied(),
            Self::Table(subs) => {
                subs.find(table_hash(topic), |subscription| subscription.topic == topic).copied()
            }
        }
    }

    /// Adds a subscription, or replaces the one to the same topic.
    pub(crate) fn put(&mut self, subscription: Subscription) {
        let is_it = |other: &Subscription| other.topic == subscription.topic;
        match self {
            Self::List(subs) => match subs.iter().position(is_it) {
                Some(at) => subs[at] = subscription,
                None if subs.len() < LINEAR_SEARCH_MAX => subs.push(subscription),
                None => {
                    let mut many = HashTable::with_capacity(2 * LINEAR_SEARCH_MAX);
                    for subscription in subs.drain(..).chain([subscription]) {
                        many.insert_unique(table_hash(subscription.topic), subscription, |subscription| {
                            table_hash(subscription.topic)
                        });
                    }
                    *self = Self::Table(Box::new(many));
                }
            },
            Self::Table(subs) => match subs.find_mut(table_hash(subscription.topic), is_it) {
                Some(other) => *other = subscription,
                None => {
                    _ = subs.insert_unique(table_hash(subscription.topic), subscription, |subscription| {
                        table_hash(subscription.topic)
                    })
                }
            },
        }
    }

    /// Removes the subscription to a topic.
    pub(crate) fn remove(&mut self, topic: TopicIndex) {
        match self {
            Self::List(subs) => subs.retain(|subscription| subscription.topic != topic),
            Self::Table(subs) => {
                if let Ok(entry) =
                    subs.find_entry(table_hash(topic), |subscription| subscription.topic == topic)
                {
                    entry.remove();
                }
                if subs.len() <= LINEAR_SEARCH_MAX / 2 {
                    *self = Self::List(subs.iter().copied().collect());
                } else if subs.len() < subs.capacity() / 8 {
                    subs.shrink_to(2 * subs.len(), |subscription| table_hash(subscription.topic));
                }
            }
        }
    }

    /// Returns the subscription if the set has exactly one.
    pub(crate) fn only(&self) -> Option<Subscription> {
        match self {
            Self::List(subs) => <[Subscription; 1]>::try_from(&subs[..]).ok().map(|[only]| only),
            Self::Table(_) => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Subscription> {
        let (few, many) = match self {
            Self::List(subs) => (Some(subs), None),
            Self::Table(subs) => (None, Some(subs)),
        };
        few.into_iter().flatten().chain(many.into_iter().flat_map(|many| many.iter())).copied()
    }
}

/// Returns a hash of a topic's index for the table, which uses the top and the bottom bits.
const fn table_hash(topic: TopicIndex) -> u64 {
    let mixed = (topic.get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hub::core::client_state::SubscriptionStage;
    use crate::hub::indices::SubscriberIndex;

    proptest! {
        #[test]
        fn has_the_contents_of_a_map(steps in prop::collection::vec((0..3_u8, 0..100_u32), 0..400)) {
            let subscription = |topic, place| Subscription {
                topic: TopicIndex::new(topic),
                stage: SubscriptionStage::Active(SubscriberIndex::new(place)),
            };
            let (mut set, mut model) = (SubscriptionSet::new(subscription(200, 0), subscription(201, 0)), BTreeMap::from([(200, 0), (201, 0)]));
            for (place, (step, topic)) in (1..).zip(steps) {
                if step < 2 {
                    set.put(subscription(topic, place));
                    model.insert(topic, place);
                } else {
                    set.remove(TopicIndex::new(topic));
                    model.remove(&topic);
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.get(TopicIndex::new(topic)).map(|subscription| subscription.stage), model.get(&topic).map(|place| SubscriptionStage::Active(SubscriberIndex::new(*place))));
                let all: BTreeMap<u32, SubscriptionStage> = set.iter().map(|subscription| (subscription.topic.get(), subscription.stage)).collect();
                let expected: BTreeMap<u32, SubscriptionStage> =
                    model.iter().map(|(topic, place)| (*topic, SubscriptionStage::Active(SubscriberIndex::new(*place)))).collect();
                prop_assert_eq!(all, expected);
                prop_assert_eq!(set.only().is_some(), model.len() == 1);
            }
        }
    }
}
