//! The subscribers of one topic on one worker.

use std::ops::Range;

use crate::hub::dialect::Dialect;
use crate::hub::indices::SubscriberIndex;
use crate::worker::ConnIndex;

/// A subscriber: the index of its connection and its dialect. A worker has at most 2^26 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscriber(u32);

/// Position of the lowest bit of the dialect's number. The bits below it hold the connection's index.
const DIALECT_SHIFT: u32 = 28;
const INDEX_MASK: u32 = (1 << DIALECT_SHIFT) - 1;

impl Subscriber {
    /// A vacant place.
    pub(crate) const VACANT: Self = Self(INDEX_MASK);

    pub(crate) const fn new(index: ConnIndex, dialect: Dialect) -> Self {
        Self(index.get() | (dialect.number() as u32) << DIALECT_SHIFT)
    }

    pub(crate) const fn index(self) -> ConnIndex {
        ConnIndex::new(self.0 & INDEX_MASK)
    }

    pub(crate) const fn dialect(self) -> Dialect {
        // The number takes three of the four bits.
        Dialect::of_number((self.0 >> DIALECT_SHIFT) as u8)
    }

    pub(crate) const fn is_vacant(self) -> bool {
        self.0 == Self::VACANT.0
    }
}

/// Places of subscribers. A new subscriber gets the next place. The place of a removed subscriber stays vacant until many places are
/// vacant. Subscribers from the end of the list then fill the vacant places. So a pass over the places, which takes many slices, visits
/// each subscriber that was in the list at its beginning exactly once, whatever subscribers are added and removed meanwhile.
#[derive(Debug, Default)]
pub(crate) struct SubscriberList {
    places: Vec<Subscriber>,
    vacant: usize,
    /// All places below this one are occupied.
    full_below: usize,
}

impl SubscriberList {
    /// Returns the number of subscribers.
    pub(crate) const fn len(&self) -> usize {
        self.places.len() - self.vacant
    }

    /// Returns the number of places, vacant ones included.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// Returns the subscriber at a place; `None` if the place is vacant.
    pub(crate) fn get(&self, place: SubscriberIndex) -> Option<Subscriber> {
        self.places.get(place.entry()).copied().filter(|subscriber| !subscriber.is_vacant())
    }

    /// Returns a range of places, vacant ones included.
    pub(crate) fn between(&self, places: Range<u32>) -> &[Subscriber] {
        let end = self.places.len().min(places.end as usize);
        &self.places[end.min(places.start as usize)..end]
    }

    /// Adds a subscriber, and returns its place.
    pub(crate) fn add(&mut self, subscriber: Subscriber) -> SubscriberIndex {
        self.places.push(subscriber);
        SubscriberIndex::of(self.places.len() - 1)
    }

    /// Makes a place vacant.
    pub(crate) fn remove(&mut self, place: SubscriberIndex) {
        let at = place.entry();
        if self.get(place).is_some() {
            self.places[at] = Subscriber::VACANT;
            self.vacant += 1;
            self.full_below = self.full_below.min(at);
        }
    }

    /// Returns whether the vacant places should be filled: they are more than `least` and more than a quarter of all places.
    pub(crate) const fn is_sparse(&self, least: usize) -> bool {
        self.vacant > least && self.vacant > self.places.len() / 4
    }

    /// Fills vacant places with subscribers from the end, in at most `steps` steps. Calls `moves` with each subscriber and its new place;
    /// the filling stops if `moves` returns `false`. It must not run during a pass. Returns `true` when no place is vacant.
    pub(crate) fn fill(
        &mut self,
        steps: usize,
        mut moves: impl FnMut(Subscriber, SubscriberIndex) -> bool,
    ) -> bool {
        for _ in 0..steps {
            let Some(&last) = self.places.last() else { break };
            if self.vacant == 0 {
                break;
            }
            if last.is_vacant() {
                self.places.pop();
                self.vacant -= 1;
            } else if self.places[self.full_below].is_vacant() {
                if !moves(last, SubscriberIndex::of(self.full_below)) {
                    break;
                }
                self.places.pop();
                self.places[self.full_below] = last;
                self.vacant -= 1;
                self.full_below += 1;
            } else {
                self.full_below += 1;
            }
        }
        self.full_below = self.full_below.min(self.places.len());
        if self.vacant == 0 && self.places.capacity() > 64 && self.places.len() < self.places.capacity() / 4 {
            self.places.shrink_to(2 * self.places.len());
        }
        self.vacant == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_subscriber_keeps_a_place_until_it_is_removed(
            steps in prop::collection::vec((0..4_u8, any::<prop::sample::Index>(), 1..40_usize), 0..300),
        ) {
            let (mut subscribers, mut model) = (SubscriberList::default(), BTreeMap::new());
            for (number, (step, which, most)) in (0..).zip(steps) {
                match step {
                    0 | 1 => {
                        let subscriber = Subscriber::new(ConnIndex::new(number), Dialect::ALL[number as usize % 2]);
                        model.insert(number, subscribers.add(subscriber));
                    }
                    2 if !model.is_empty() => {
                        let number = *model.keys().nth(which.index(model.len())).unwrap();
                        subscribers.remove(model.remove(&number).unwrap());
                    }
                    _ => {
                        let filled = subscribers.fill(most, |subscriber, place| {
                            let before = model.insert(subscriber.index().get(), place);
                            assert!(before.is_some_and(|before| before > place));
                            true
                        });
                        prop_assert_eq!(filled, subscribers.end() as usize == model.len());
                    }
                }
                prop_assert_eq!(subscribers.len(), model.len());
                for (number, place) in &model {
                    prop_assert_eq!(subscribers.get(*place), Some(Subscriber::new(ConnIndex::new(*number), Dialect::ALL[*number as usize % 2])));
                }
                let seen = (0..subscribers.end()).filter_map(|place| subscribers.get(SubscriberIndex::new(place))).count();
                prop_assert_eq!(seen, model.len());
            }
        }
    }

    #[test]
    fn memory_is_freed_when_most_subscribers_are_removed() {
        let mut subscribers = SubscriberList::default();
        (0..10_000).for_each(|index| {
            assert_eq!(subscribers.add(Subscriber::new(ConnIndex::new(index), Dialect::Raw)).get(), index)
        });
        (0..9_990).for_each(|place| subscribers.remove(SubscriberIndex::new(place)));
        assert!(subscribers.is_sparse(16));
        while !subscribers.fill(100, |_, _| true) {}
        assert_eq!((subscribers.len(), subscribers.end()), (10, 10));
        assert!(subscribers.places.capacity() <= 64);
    }
}
