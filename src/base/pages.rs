//! A slab that allocates and frees its memory a page at a time. Each page is a `slab::Slab`.

use std::collections::BTreeSet;

use slab::Slab;

/// A slab in pages of `PAGE` slots. New entries go to the lowest page with a vacant slot, so that the upper pages become empty when the
/// number of entries falls. Empty pages are freed, except one that is kept for a load that rises and falls.
#[derive(Debug)]
pub(crate) struct PagedSlab<T, const PAGE: usize> {
    /// A freed page is an empty slab without capacity.
    pages: Vec<Slab<T>>,
    /// Pages with a vacant slot, freed ones included.
    with_room: BTreeSet<usize>,
    /// Pages with capacity and no entry: at most one.
    spare: Option<usize>,
    len: usize,
}

impl<T, const PAGE: usize> Default for PagedSlab<T, PAGE> {
    fn default() -> Self {
        Self { pages: Vec::new(), with_room: BTreeSet::new(), spare: None, len: 0 }
    }
}

impl<T, const PAGE: usize> PagedSlab<T, PAGE> {
    /// Returns the number of entries.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the end of the range of indices now.
    pub(crate) const fn end(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Adds an entry and returns its index. Indices of removed entries are reused.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let page = self.with_room.first().copied().unwrap_or_else(|| {
            self.pages.push(Slab::new());
            self.with_room.insert(self.pages.len() - 1);
            self.pages.len() - 1
        });
        let slab = &mut self.pages[page];
        if slab.capacity() == 0 {
            slab.reserve_exact(PAGE);
        }
        let slot = slab.insert(value);
        debug_assert!(slot < PAGE);
        if slab.len() == PAGE {
            self.with_room.remove(&page);
        }
        if self.spare == Some(page) {
            self.spare = None;
        }
        self.len += 1;
        page * PAGE + slot
    }

    /// Removes an entry and returns it; `None` if the index has no entry.
    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let page = index / PAGE;
        let slab = self.pages.get_mut(page)?;
        let value = slab.try_remove(index % PAGE)?;
        self.with_room.insert(page);
        self.len -= 1;
        if slab.is_empty() {
            self.keep_or_free(page);
        }
        Some(value)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    /// Returns `true` if an empty page is kept.
    pub(crate) const fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Frees the kept empty page.
    pub(crate) fn free_spare(&mut self) {
        if let Some(page) = self.spare.take() {
            self.pages[page] = Slab::new();
            self.drop_last_pages();
        }
    }

    /// Keeps an empty page. If another one was kept, frees the higher of the two.
    fn keep_or_free(&mut self, page: usize) {
        if let Some(other) = self.spare.replace(page) {
            self.spare = Some(page.min(other));
            self.pages[page.max(other)] = Slab::new();
            self.drop_last_pages();
        }
    }

    fn drop_last_pages(&mut self) {
        while self.pages.last().is_some_and(|page| page.capacity() == 0) {
            self.pages.pop();
            self.with_room.remove(&self.pages.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Small = PagedSlab<u32, 4>;

    fn pages_with_memory(table: &Small) -> usize {
        table.pages.iter().filter(|page| page.capacity() > 0).count()
    }

    proptest! {
        #[test]
        fn has_the_contents_of_a_map(steps in prop::collection::vec((any::<bool>(), 0..40_usize), 0..200)) {
            let (mut table, mut twin) = (Small::default(), BTreeMap::new());
            for (value, (insert, at)) in (0_u32..).zip(steps) {
                if insert {
                    let index = table.insert(value);
                    prop_assert_eq!(twin.insert(index, value), None, "the slot was taken");
                } else {
                    prop_assert_eq!(table.remove(at), twin.remove(&at));
                }
                prop_assert_eq!(table.len(), twin.len());
                for index in 0..table.end() + 4 {
                    prop_assert_eq!(table.get(index), twin.get(&index));
                }
                let in_use: BTreeSet<usize> = twin.keys().map(|index| index / 4).collect();
                prop_assert!(pages_with_memory(&table) <= in_use.len() + 1);
            }
        }
    }

    #[test]
    fn memory_goes_back_page_by_page() {
        let mut table = Small::default();
        for value in 0..40 {
            table.insert(value);
        }
        assert_eq!(pages_with_memory(&table), 10);
        for index in 4..40 {
            table.remove(index);
        }
        assert_eq!(pages_with_memory(&table), 2);
        table.free_spare();
        assert_eq!((pages_with_memory(&table), table.end()), (1, 4));
    }
}
