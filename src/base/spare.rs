//! Freeing the memory of lists and maps that are empty again after a burst.

use std::collections::{HashMap, HashSet, VecDeque};

/// A collection that allocates memory only when it gets its first entry, and keeps it when its entries are removed.
pub(crate) trait Collection: Default {
    fn is_empty(&self) -> bool;
    /// Returns the number of entries that fit into the allocated memory.
    fn capacity(&self) -> usize;
}

/// Frees the memory of a collection that is empty, if it has room for more than `keep` entries. A small one keeps its memory, so that
/// adding and removing a few entries in turn does not allocate.
#[inline]
pub(crate) fn free_spare<C: Collection>(collection: &mut C, keep: usize) {
    if collection.capacity() > keep && collection.is_empty() {
        *collection = C::default();
    }
}

macro_rules! collection {
    ($(<$($parameter:ident $(: $bound:path)?),+> $type:ty;)+) => {
        $(impl<$($parameter $(: $bound)?),+> Collection for $type {
            fn is_empty(&self) -> bool {
                <$type>::is_empty(self)
            }

            fn capacity(&self) -> usize {
                <$type>::capacity(self)
            }
        })+
    };
}

collection! {
    <T> Vec<T>;
    <T> VecDeque<T>;
    <K, V> HashMap<K, V>;
    <T> HashSet<T>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: usize = 100;

    /// Checks `free_spare` on a collection to which `add` adds an entry and from which `clear` removes all.
    fn check<C: Collection>(mut add: impl FnMut(&mut C, u32), clear: impl Fn(&mut C)) {
        let mut collection = C::default();
        (0..10).for_each(|entry| add(&mut collection, entry));
        clear(&mut collection);
        let before = collection.capacity();
        free_spare(&mut collection, KEEP);
        assert!(
            (10..=KEEP).contains(&before) && collection.capacity() == before,
            "a small one keeps its memory"
        );
        (0..1_000).for_each(|entry| add(&mut collection, entry));
        free_spare(&mut collection, KEEP);
        assert!(!collection.is_empty(), "entries stay");
        clear(&mut collection);
        assert!(collection.capacity() >= 1_000);
        free_spare(&mut collection, KEEP);
        assert_eq!(collection.capacity(), 0);
    }

    #[test]
    fn only_a_large_and_empty_collection_frees_its_memory() {
        check(Vec::push, Vec::clear);
        check(VecDeque::push_back, VecDeque::clear);
        check(|map: &mut HashMap<_, _>, entry| _ = map.insert(entry, entry), HashMap::clear);
        check(|set: &mut HashSet<_>, entry| _ = set.insert(entry), HashSet::clear);
    }
}
