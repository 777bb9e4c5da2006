//! A large buffer whose used part alone takes memory.

/// The length of a page of memory on x86-64. Kernel copies are about 5 % faster to and from the beginning of one.
const PAGE: usize = 4096;

/// A buffer of fixed length, page-aligned and zeroed at first. Each page takes memory from its first use until [`trim`](Self::trim) frees
/// the memory.
#[derive(Debug, Default)]
pub(crate) struct LazyBuffer {
    /// An allocation one page longer than the buffer, so that the buffer can be aligned in it.
    block: Vec<u8>,
    /// The part of the block that is the buffer.
    start: usize,
    end: usize,
    /// Bytes from the beginning that may have been used: `touched` in this allocation until the last trim, `recent` since then.
    touched: usize,
    recent: usize,
}

impl LazyBuffer {
    pub(crate) fn new(len: usize) -> Self {
        let block = vec![0; len + PAGE];
        // At most PAGE - 1: it could fail only for a type whose size does not divide its alignment.
        let start = block.as_ptr().align_offset(PAGE).min(PAGE);
        Self { block, start, end: start + len, touched: 0, recent: 0 }
    }

    /// Returns the whole buffer.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// Notes that the first `len` bytes are in use.
    #[inline]
    pub(crate) const fn note_used(&mut self, len: usize) {
        if len > self.recent {
            self.recent = len;
        }
    }

    /// Returns `true` if more than `keep` bytes of the buffer may take memory.
    pub(crate) fn can_trim(&self, keep: usize) -> bool {
        self.touched.max(self.recent) > keep
    }

    /// Frees the memory if at most `keep` bytes of the buffer were in use since the last call. The contents are lost then.
    pub(crate) fn trim(&mut self, keep: usize) {
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
            let mut buffer = LazyBuffer::new(len);
            assert_eq!(buffer.bytes().len(), len);
            assert!(buffer.bytes_mut().as_ptr().addr().is_multiple_of(PAGE));
        }
    }

    #[test]
    fn it_keeps_its_memory_while_it_is_needed_and_not_for_longer() {
        let mut buffer = LazyBuffer::new(100_000);
        buffer.bytes_mut()[50_000] = 1;
        buffer.note_used(50_001);
        assert!(buffer.can_trim(50_000) && !buffer.can_trim(50_001));
        buffer.trim(10_000);
        assert_eq!(buffer.bytes()[50_000], 1, "it was in use");
        buffer.note_used(10_000);
        buffer.trim(10_000);
        assert_eq!(buffer.bytes()[50_000], 0, "it is another one");
        assert!(!buffer.can_trim(0));
    }
}
