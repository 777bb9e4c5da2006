//! Lookup of topics by name.

use hashbrown::HashTable;

/// Approximate bytes that a topic takes in a lookup: an entry, in a table that is half full.
pub(super) const ENTRY_COST: usize = 2 * size_of::<(u32, u32)>();

/// A hash table of topic numbers by the hash of their names. It stores half of each hash, so that growing the table and most comparisons
/// need not read the names. A topic takes 8 bytes, plus the table's overhead.
#[derive(Debug, Default)]
pub(crate) struct TopicLookup {
    table: HashTable<(u32, u32)>,
}

impl TopicLookup {
    /// Returns the topic with this hash for which `is_it` returns `true`.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let half = lower_half(hash);
        let found = self.table.find(table_hash(half), |&(other, topic)| other == half && is_it(topic));
        found.map(|&(_, topic)| topic)
    }

    /// Adds a topic that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, topic: u32) {
        self.table.insert_unique(table_hash(lower_half(hash)), (lower_half(hash), topic), |&(half, _)| {
            table_hash(half)
        });
    }

    /// Removes a topic.
    pub(crate) fn remove(&mut self, hash: u64, topic: u32) {
        let half = lower_half(hash);
        if let Ok(entry) = self.table.find_entry(table_hash(half), |&entry| entry == (half, topic)) {
            entry.remove();
        }
        // The table shrinks when most topics have been removed.
        if self.table.capacity() > 64 && self.table.len() < self.table.capacity() / 8 {
            self.table.shrink_to(2 * self.table.len(), |&(half, _)| table_hash(half));
        }
    }

    /// Returns the number of topics.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

/// Returns the lower half of a name's hash, which the index stores. The upper half determines the topic's owner.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
const fn lower_half(hash: u64) -> u32 {
    hash as u32
}

/// Returns a hash for the table, which uses the top and the bottom bits.
const fn table_hash(half: u32) -> u64 {
    (half as u64) << 32 | half as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_by_hash_and_name() {
        let mut lookup = TopicLookup::default();
        for topic in 0..1000 {
            // Ten topics of each hash.
            lookup.insert(u64::from(topic / 10), topic);
        }
        assert_eq!(lookup.len(), 1000);
        for topic in 0..1000 {
            assert_eq!(lookup.find(u64::from(topic / 10), |other| other == topic), Some(topic));
        }
        assert_eq!(lookup.find(5, |other| other == 7), None);
        for topic in (0..1000).filter(|topic| topic % 3 != 0) {
            lookup.remove(u64::from(topic / 10), topic);
        }
        lookup.remove(77, 5);
        for topic in 0..1000 {
            let expected = (topic % 3 == 0).then_some(topic);
            assert_eq!(lookup.find(u64::from(topic / 10), |other| other == topic), expected);
        }
    }

    #[test]
    fn memory_goes_back() {
        let mut lookup = TopicLookup::default();
        (0..100_000).for_each(|topic| lookup.insert(u64::from(topic), topic));
        (0..100_000).for_each(|topic| lookup.remove(u64::from(topic), topic));
        assert!(lookup.len() == 0 && lookup.table.capacity() <= 64, "{}", lookup.table.capacity());
    }
}
