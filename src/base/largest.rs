//! The largest of many items, in memory for the kept items only.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Keeps the `limit` largest of the offered items.
#[derive(Debug)]
pub(crate) struct Largest<T> {
    limit: usize,
    /// A heap with the smallest kept item on top.
    kept: BinaryHeap<Reverse<T>>,
}

impl<T: Ord> Largest<T> {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, kept: BinaryHeap::new() }
    }

    /// Adds an item. If `limit` items are kept already, drops the smallest of all.
    pub(crate) fn offer(&mut self, item: T) {
        if self.kept.len() < self.limit {
            self.kept.push(Reverse(item));
        } else if let Some(mut smallest) = self.kept.peek_mut()
            && item > smallest.0
        {
            smallest.0 = item;
        }
    }

    /// Returns the kept items, the largest first.
    pub(crate) fn into_sorted(self) -> impl ExactSizeIterator<Item = T> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(item)| item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_all_would_put_first(
            items in prop::collection::vec(0..50_u32, 0..200), limit in 0..20_usize,
        ) {
            let mut largest = Largest::new(limit);
            for &item in &items {
                largest.offer(item);
                prop_assert!(largest.kept.len() <= limit);
            }
            let mut sorted = items;
            sorted.sort_unstable_by_key(|&item| Reverse(item));
            sorted.truncate(limit);
            prop_assert_eq!(largest.into_sorted().collect::<Vec<_>>(), sorted);
        }
    }
}
