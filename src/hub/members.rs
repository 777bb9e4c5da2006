//! The subscribers of one topic on one worker.

use super::dialect::Dialect;
use super::indices::MemberIndex;

/// A subscriber: the index of its connection, and what it speaks. There are at most 2^26 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member(u32);

/// Where the number of the dialect begins.
const DIALECT: u32 = 28;
const INDEX: u32 = (1 << DIALECT) - 1;

impl Member {
    /// Nobody, in a place that was left.
    pub(crate) const NOBODY: Self = Self(INDEX);

    pub(crate) const fn new(index: u32, dialect: Dialect) -> Self {
        Self(index | (dialect.number() as u32) << DIALECT)
    }

    pub(crate) const fn index(self) -> u32 {
        self.0 & INDEX
    }

    pub(crate) const fn dialect(self) -> Dialect {
        // Four bits, of which a dialect takes three.
        Dialect::of_number((self.0 >> DIALECT) as u8)
    }

    pub(crate) const fn is_nobody(self) -> bool {
        self.0 == Self::NOBODY.0
    }
}

/// Places for subscribers. Who joins gets the next one; those that were left stay empty until there are many, and are then filled
/// from the end. So a round through the places, which takes many slices, meets everybody once who was there at its beginning, whoever
/// comes and goes meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Members {
    places: Vec<Member>,
    vacant: usize,
    /// No place below is vacant.
    full_below: usize,
}

impl Members {
    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.places.len() - self.vacant
    }

    /// One more than the last place.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// Who has a place.
    pub(crate) fn get(&self, place: MemberIndex) -> Option<Member> {
        self.places.get(place.entry()).copied().filter(|member| !member.is_nobody())
    }

    /// The places from `from` on, those that were left as well, up to `end`.
    pub(crate) fn between(&self, from: u32, end: u32) -> &[Member] {
        let end = self.places.len().min(end as usize);
        &self.places[end.min(from as usize)..end]
    }

    /// Gives a place to somebody.
    pub(crate) fn add(&mut self, member: Member) -> MemberIndex {
        self.places.push(member);
        MemberIndex::of(self.places.len() - 1)
    }

    /// Takes a place from somebody.
    pub(crate) fn remove(&mut self, place: MemberIndex) {
        let at = place.entry();
        if self.get(place).is_some() {
            self.places[at] = Member::NOBODY;
            self.vacant += 1;
            self.full_below = self.full_below.min(at);
        }
    }

    /// Whether so many places are empty, and more than `least`, that they should be filled.
    pub(crate) const fn is_sparse(&self, least: usize) -> bool {
        self.vacant > least && self.vacant > self.places.len() / 4
    }

    /// Fills empty places from the end, with at most `steps` looks. `moves` is called with who is to get which place, and may say no,
    /// which ends it. Not to be done in the middle of a round. `true` when none is empty any more.
    pub(crate) fn fill(&mut self, steps: usize, mut moves: impl FnMut(Member, MemberIndex) -> bool) -> bool {
        for _ in 0..steps {
            let Some(&last) = self.places.last() else { break };
            if self.vacant == 0 {
                break;
            }
            if last.is_nobody() {
                self.places.pop();
                self.vacant -= 1;
            } else if self.places[self.full_below].is_nobody() {
                if !moves(last, MemberIndex::of(self.full_below)) {
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
        fn everybody_keeps_a_place_until_leaving(
            steps in prop::collection::vec((0..4_u8, any::<prop::sample::Index>(), 1..40_usize), 0..300),
        ) {
            let (mut members, mut twin) = (Members::default(), BTreeMap::new());
            for (number, (step, which, most)) in (0..).zip(steps) {
                match step {
                    0 | 1 => {
                        let member = Member::new(number, Dialect::ALL[number as usize % 2]);
                        twin.insert(number, members.add(member));
                    }
                    2 if !twin.is_empty() => {
                        let number = *twin.keys().nth(which.index(twin.len())).unwrap();
                        members.remove(twin.remove(&number).unwrap());
                    }
                    _ => {
                        let filled = members.fill(most, |member, place| {
                            let before = twin.insert(member.index(), place);
                            assert!(before.is_some_and(|before| before > place));
                            true
                        });
                        prop_assert_eq!(filled, members.end() as usize == twin.len());
                    }
                }
                prop_assert_eq!(members.len(), twin.len());
                for (number, place) in &twin {
                    prop_assert_eq!(members.get(*place), Some(Member::new(*number, Dialect::ALL[*number as usize % 2])));
                }
                let seen = (0..members.end()).filter_map(|place| members.get(MemberIndex::new(place))).count();
                prop_assert_eq!(seen, twin.len());
            }
        }
    }

    #[test]
    fn memory_goes_back_when_most_have_left() {
        let mut members = Members::default();
        (0..10_000).for_each(|index| assert_eq!(members.add(Member::new(index, Dialect::Raw)).get(), index));
        (0..9_990).for_each(|place| members.remove(MemberIndex::new(place)));
        assert!(members.is_sparse(16));
        while !members.fill(100, |_, _| true) {}
        assert_eq!((members.len(), members.end()), (10, 10));
        assert!(members.places.capacity() <= 64);
    }
}
