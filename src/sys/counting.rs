//! An allocator that counts its requests, for the program that measures what operations cost (docs/TESTING.md).

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// An allocator that counts every request and passes it unchanged to the system's allocator.
///
/// The counts are exact with one thread. With several threads some requests are not counted.
#[derive(Debug)]
pub struct Counting {
    allocations: AtomicU64,
    allocated: AtomicU64,
    freed: AtomicU64,
}

/// The requests to an allocator since the program's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Requests for a block, and requests for a block to grow or shrink.
    pub allocations: u64,
    /// Bytes of the requested blocks.
    pub allocated: u64,
    /// Bytes of the blocks that were freed, or replaced because they grew or shrank.
    pub freed: u64,
}

impl Requests {
    /// Returns the requested bytes that the program holds.
    #[must_use]
    pub const fn held(&self) -> i64 {
        self.allocated.wrapping_sub(self.freed).cast_signed()
    }
}

impl Counting {
    /// Makes an allocator whose counts are 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { allocations: AtomicU64::new(0), allocated: AtomicU64::new(0), freed: AtomicU64::new(0) }
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Requests {
        Requests {
            allocations: self.allocations.load(Ordering::Relaxed),
            allocated: self.allocated.load(Ordering::Relaxed),
            freed: self.freed.load(Ordering::Relaxed),
        }
    }

    fn note_block(&self, bytes: usize) {
        add(&self.allocations, 1);
        add(&self.allocated, bytes as u64);
    }
}

impl Default for Counting {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds to a counter without the locked instruction of an atomic addition: there is one thread.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

// SAFETY: every request goes unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note_block(layout.size());
        // SAFETY: the caller fulfils the conditions of this method, which are those of the call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note_block(layout.size());
        // SAFETY: the caller fulfils the conditions of this method, which are those of the call.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(&self.freed, layout.size() as u64);
        // SAFETY: the caller fulfils the conditions of this method, which are those of the call.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&self.freed, layout.size() as u64);
        self.note_block(size);
        // SAFETY: the caller fulfils the conditions of this method, which are those of the call.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_when_they_come_grow_and_go() {
        let counting = Counting::new();
        let layout = Layout::from_size_align(100, 8).unwrap();
        let larger = Layout::from_size_align(250, 8).unwrap();
        // SAFETY: the layout has a size.
        let block = unsafe { counting.alloc(layout) };
        // SAFETY: the block is of this allocator, with this layout.
        let block = unsafe { counting.realloc(block, layout, 250) };
        assert_eq!(counting.requests(), Requests { allocations: 2, allocated: 350, freed: 100 });
        assert_eq!(counting.requests().held(), 250);
        // SAFETY: as above.
        unsafe { counting.dealloc(block, larger) };
        // SAFETY: as the first.
        let block = unsafe { counting.alloc_zeroed(layout) };
        assert_eq!(counting.requests().held(), 100);
        // SAFETY: as above.
        unsafe { counting.dealloc(block, layout) };
        assert_eq!(counting.requests(), Requests { allocations: 3, allocated: 450, freed: 450 });
    }
}
