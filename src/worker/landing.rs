//! A large buffer of which only what is used takes memory.

/// The length of a page of memory on x86-64. Kernel copies are about 5 % faster to and from the beginning of one.
const PAGE: usize = 4096;

/// A buffer of fixed length, page-aligned and zeroed at first. The system gives it memory where it is first touched, and gets it
/// back with [`trim`](Self::trim).
#[derive(Debug, Default)]
pub(super) struct Landing {
    /// Longer than the buffer by what aligns it.
    block: Vec<u8>,
    /// Where the buffer begins in the block, and ends.
    start: usize,
    end: usize,
    /// Bytes that may have been touched, and those since the last trim.
    touched: usize,
    recent: usize,
}

impl Landing {
    pub(super) fn new(len: usize) -> Self {
        let block = vec![0; len + PAGE];
        // At most PAGE - 1: it could fail only for a type whose size does not divide its alignment.
        let start = block.as_ptr().align_offset(PAGE).min(PAGE);
        Self { block, start, end: start + len, touched: 0, recent: 0 }
    }

    /// All of it.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// Notes that the first `len` bytes are in use.
    #[inline]
    pub(super) const fn note(&mut self, len: usize) {
        if len > self.recent {
            self.recent = len;
        }
    }

    /// Whether more than `keep` bytes of it may have memory.
    pub(super) fn is_holding(&self, keep: usize) -> bool {
        self.touched.max(self.recent) > keep
    }

    /// Gives the memory back when no more than `keep` bytes of it were in use since the last call. What is in it is lost.
    pub(super) fn trim(&mut self, keep: usize) {
        self.touched = self.touched.max(self.recent);
        if self.recent <= keep && self.touched > keep {
            *self = Self::new(self.end - self.start);
        }
        self.recent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_and_as_long_as_asked_for() {
        for len in [1, PAGE, 100_000] {
            let mut landing = Landing::new(len);
            assert_eq!(landing.bytes().len(), len);
            assert!(landing.bytes_mut().as_ptr().addr().is_multiple_of(PAGE));
        }
    }

    #[test]
    fn it_keeps_its_memory_while_it_is_needed_and_not_for_longer() {
        let mut landing = Landing::new(100_000);
        landing.bytes_mut()[50_000] = 1;
        landing.note(50_001);
        assert!(landing.is_holding(50_000) && !landing.is_holding(50_001));
        landing.trim(10_000);
        assert_eq!(landing.bytes()[50_000], 1, "it was in use");
        landing.note(10_000);
        landing.trim(10_000);
        assert_eq!(landing.bytes()[50_000], 0, "it is another one");
        assert!(!landing.is_holding(0));
    }
}
