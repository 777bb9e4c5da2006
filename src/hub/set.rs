//! The subscriptions of a connection that has several.

use hashbrown::HashTable;

use super::indices::TopicIndex;
use super::seat::Sub;

/// Up to so many are looked through.
const FEW: usize = 32;

/// Subscriptions, one for each topic. With many of them, each is found by its topic, so that what a client with 100,000 asks for costs no
/// more than what one with ten does.
#[derive(Debug)]
pub(crate) enum Set {
    Few(Vec<Sub>),
    Many(Box<HashTable<Sub>>),
}

impl Set {
    pub(crate) fn new(first: Sub, second: Sub) -> Self {
        Self::Few(vec![first, second])
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(subs) => subs.len(),
            Self::Many(subs) => subs.len(),
        }
    }

    /// The subscription to a topic.
    pub(crate) fn get(&self, topic: TopicIndex) -> Option<Sub> {
        match self {
            Self::Few(subs) => subs.iter().find(|sub| sub.topic == topic).copied(),
            Self::Many(subs) => subs.find(spread(topic), |sub| sub.topic == topic).copied(),
        }
    }

    /// Adds a subscription, or puts it in the place of the one to the same topic.
    pub(crate) fn put(&mut self, sub: Sub) {
        let is_it = |other: &Sub| other.topic == sub.topic;
        match self {
            Self::Few(subs) => match subs.iter().position(is_it) {
                Some(at) => subs[at] = sub,
                None if subs.len() < FEW => subs.push(sub),
                None => {
                    let mut many = HashTable::with_capacity(2 * FEW);
                    for sub in subs.drain(..).chain([sub]) {
                        many.insert_unique(spread(sub.topic), sub, |sub| spread(sub.topic));
                    }
                    *self = Self::Many(Box::new(many));
                }
            },
            Self::Many(subs) => match subs.find_mut(spread(sub.topic), is_it) {
                Some(other) => *other = sub,
                None => _ = subs.insert_unique(spread(sub.topic), sub, |sub| spread(sub.topic)),
            },
        }
    }

    /// Takes the subscription to a topic out.
    pub(crate) fn remove(&mut self, topic: TopicIndex) {
        match self {
            Self::Few(subs) => subs.retain(|sub| sub.topic != topic),
            Self::Many(subs) => {
                if let Ok(entry) = subs.find_entry(spread(topic), |sub| sub.topic == topic) {
                    entry.remove();
                }
                if subs.len() <= FEW / 2 {
                    *self = Self::Few(subs.iter().copied().collect());
                } else if subs.len() < subs.capacity() / 8 {
                    subs.shrink_to(2 * subs.len(), |sub| spread(sub.topic));
                }
            }
        }
    }

    /// The only one there is.
    pub(crate) fn only(&self) -> Option<Sub> {
        match self {
            Self::Few(subs) => <[Sub; 1]>::try_from(&subs[..]).ok().map(|[only]| only),
            Self::Many(_) => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Sub> {
        let (few, many) = match self {
            Self::Few(subs) => (Some(subs), None),
            Self::Many(subs) => (None, Some(subs)),
        };
        few.into_iter().flatten().chain(many.into_iter().flat_map(|many| many.iter())).copied()
    }
}

/// A hash of a topic's number: the table looks at the top and the bottom of it.
const fn spread(topic: TopicIndex) -> u64 {
    let mixed = (topic.get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hub::indices::MemberIndex;
    use crate::hub::seat::Place;

    proptest! {
        #[test]
        fn holds_what_a_map_would_hold(steps in prop::collection::vec((0..3_u8, 0..100_u32), 0..400)) {
            let sub = |topic, place| Sub {
                topic: TopicIndex::new(topic),
                place: Place::At(MemberIndex::new(place)),
            };
            let (mut set, mut twin) = (Set::new(sub(200, 0), sub(201, 0)), BTreeMap::from([(200, 0), (201, 0)]));
            for (place, (step, topic)) in (1..).zip(steps) {
                if step < 2 {
                    set.put(sub(topic, place));
                    twin.insert(topic, place);
                } else {
                    set.remove(TopicIndex::new(topic));
                    twin.remove(&topic);
                }
                prop_assert_eq!(set.len(), twin.len());
                prop_assert_eq!(set.get(TopicIndex::new(topic)).map(|sub| sub.place), twin.get(&topic).map(|place| Place::At(MemberIndex::new(*place))));
                let all: BTreeMap<u32, Place> = set.iter().map(|sub| (sub.topic.get(), sub.place)).collect();
                let expected: BTreeMap<u32, Place> =
                    twin.iter().map(|(topic, place)| (*topic, Place::At(MemberIndex::new(*place)))).collect();
                prop_assert_eq!(all, expected);
                prop_assert_eq!(set.only().is_some(), twin.len() == 1);
            }
        }
    }
}
