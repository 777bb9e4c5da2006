//! Buffers for incomplete input, and for output that the kernel has not taken yet.

use super::bug;
use crate::budget::MAPPED_BLOCK;
use crate::ws::Buffers;

/// Capacities of pooled buffers in bytes, each two to four times the one before. A larger request gets a buffer of exactly its size, which
/// is not kept for reuse.
const CLASSES: [usize; 13] = [
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    32 << 10,
    64 << 10,
    256 << 10,
    512 << 10,
    1 << 20,
    2 << 20,
    4 << 20,
    8 << 20,
    16 << 20,
];

/// The capacity of the largest buffer that counts as small, which holds a request's head. One part in `SMALL_SHARE` of the limit is
/// reserved for small buffers.
const SMALL_BUFFER: usize = 16 << 10;
const SMALL_SHARE: usize = 16;

/// Returns `true` if a buffer of this capacity has a mapping of its own.
const fn is_mapped(capacity: usize) -> bool {
    capacity >= MAPPED_BLOCK
}

/// One worker's buffers: lists of free buffers by size, a limit of the bytes handed out, and a limit of the bytes kept for reuse.
#[derive(Debug)]
pub(crate) struct Pool {
    free: [Vec<Vec<u8>>; CLASSES.len()],
    /// Bytes of capacity in `free`: of all buffers, and of those without a mapping of their own.
    free_bytes: usize,
    free_small: usize,
    /// The fewest free bytes since the last trim: bytes that were not needed.
    unneeded: usize,
    /// Most bytes in `free` of buffers without a mapping of their own. Buffers with one are all kept: a trim returns them to the system at
    /// once, and a new one costs 0.5 us a page.
    keep_limit: usize,
    /// Bytes of capacity handed out. Together with the bytes in `free` they are at most `limit`. Room reserved ahead of the input that has
    /// arrived is not counted: it takes no memory before it is written to.
    used: usize,
    limit: usize,
    /// Bytes of `limit` that large buffers may take. The rest is for small messages and requests.
    large_limit: usize,
    /// Bytes of shared frames that wait in outboxes, each frame counted once for each outbox, and their limit.
    backlog: usize,
    backlog_limit: usize,
}

impl Pool {
    /// Makes a pool that hands out at most `limit` bytes at a time, and keeps at most `keep_limit` free bytes in buffers without a mapping
    /// of their own. At most `backlog_limit` bytes of shared frames may wait. A sixteenth of `limit` is reserved for small buffers, but
    /// large ones always have `least` bytes.
    pub(crate) fn new(limit: usize, least: usize, keep_limit: usize, backlog_limit: usize) -> Self {
        Self {
            free: Default::default(),
            free_bytes: 0,
            free_small: 0,
            unneeded: 0,
            keep_limit,
            used: 0,
            limit,
            large_limit: limit - (limit / SMALL_SHARE).min(limit.saturating_sub(least)),
            backlog: 0,
            backlog_limit,
        }
    }

    /// Returns the bytes of shared frames that wait, each frame counted once for each outbox.
    pub(crate) const fn backlog(&self) -> usize {
        self.backlog
    }

    /// Returns `true` if `len` more bytes of a shared frame may wait.
    pub(crate) const fn has_backlog_room(&self, len: usize) -> bool {
        len <= self.spare_backlog()
    }

    /// Returns how many more bytes of shared frames may wait.
    pub(crate) const fn spare_backlog(&self) -> usize {
        self.backlog_limit.saturating_sub(self.backlog)
    }

    /// Counts `len` bytes of a shared frame that begin to wait.
    pub(crate) const fn add_to_backlog(&mut self, len: usize) {
        self.backlog += len;
    }

    /// Counts `len` bytes of a shared frame that no longer wait.
    pub(crate) fn take_from_backlog(&mut self, len: usize) {
        match self.backlog.checked_sub(len) {
            Some(backlog) => self.backlog = backlog,
            None => bug::survived("more came back than had been lent"),
        }
    }

    /// Returns `true` if there is certainly room for a buffer of `size` bytes. The buffer's capacity may be four times as much, or the
    /// smallest class.
    #[inline]
    pub(crate) const fn has_ample_room_for(&self, size: usize) -> bool {
        self.used.saturating_add(4 * size + CLASSES[0]) <= self.large_limit
    }

    /// Returns `true` if there is no room for a buffer of `size` bytes.
    #[inline]
    pub(crate) fn lacks_room_for(&self, size: usize) -> bool {
        let class = CLASSES.iter().find(|&&class| class >= size);
        self.used > self.limit || (size > 0 && class.map_or(size, |&class| class) > self.room_for(size))
    }

    /// Returns the bytes left for buffers of this size.
    const fn room_for(&self, size: usize) -> usize {
        let limit = if size <= SMALL_BUFFER { self.limit } else { self.large_limit };
        limit.saturating_sub(self.used)
    }

    /// Returns the limit of the bytes handed out.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the counted bytes of capacity that are handed out now.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Returns `true` if free buffers are kept.
    pub(crate) const fn can_trim(&self) -> bool {
        self.free_bytes > 0
    }

    /// Returns an empty buffer with room for `capacity` bytes or more; `None` if it would exceed the limit.
    pub(crate) fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let class = CLASSES.iter().position(|&class| class >= capacity);
        let size = class.map_or(capacity, |class| CLASSES[class]);
        if size > self.room_for(size) {
            return None;
        }
        let buffer = match class.and_then(|class| self.free[class].pop()) {
            Some(buffer) => {
                self.subtract_free(buffer.capacity());
                self.unneeded = self.unneeded.min(self.free_bytes);
                buffer
            }
            None => {
                self.make_room(size);
                Vec::with_capacity(size)
            }
        };
        self.used += buffer.capacity();
        Some(buffer)
    }

    /// Takes back a buffer that [`take`](Self::take) returned.
    pub(crate) fn put(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        match self.used.checked_sub(capacity) {
            Some(used) => self.used = used,
            None => bug::survived("a buffer came back that was never handed out"),
        }
        if let Some(class) = CLASSES.iter().position(|&class| class == capacity)
            && self.may_keep(capacity)
        {
            buffer.clear();
            self.free_bytes += capacity;
            self.free_small += if is_mapped(capacity) { 0 } else { capacity };
            self.free[class].push(buffer);
        }
    }

    /// Frees kept buffers until they, the buffers handed out and `size` more bytes fit the limit.
    fn make_room(&mut self, size: usize) {
        let most = self.limit.saturating_sub(self.used + size);
        if self.free_bytes > most {
            self.free_down_to(most);
            self.unneeded = self.unneeded.min(self.free_bytes);
        }
    }

    const fn may_keep(&self, capacity: usize) -> bool {
        is_mapped(capacity) || self.free_small + capacity <= self.keep_limit
    }

    /// Subtracts a buffer of this capacity from the free ones.
    const fn subtract_free(&mut self, capacity: usize) {
        self.free_bytes -= capacity;
        self.free_small -= if is_mapped(capacity) { 0 } else { capacity };
    }

    /// Frees the buffers that were not needed since the last call.
    pub(crate) fn trim(&mut self) {
        self.free_down_to(self.free_bytes - self.unneeded);
        self.unneeded = self.free_bytes;
    }

    /// Frees kept buffers, large ones first, until at most `target` bytes of them are left.
    fn free_down_to(&mut self, target: usize) {
        for class in (0..CLASSES.len()).rev() {
            while self.free_bytes > target
                && let Some(buffer) = self.free[class].pop()
            {
                self.subtract_free(buffer.capacity());
            }
            if self.free[class].is_empty() {
                self.free[class] = Vec::new();
            }
        }
    }
}

impl Buffers for Pool {
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        let needed = buffer.len() + additional;
        if needed <= buffer.capacity() {
            return true;
        }
        // Buffers of large messages double, so that each byte is moved about once.
        let wanted = if buffer.is_empty() { needed } else { needed.max(2 * buffer.capacity()) };
        let Some(mut larger) = self.take(wanted).or_else(|| self.take(needed)) else { return false };
        larger.extend_from_slice(buffer);
        let smaller = std::mem::replace(buffer, larger);
        if smaller.capacity() > 0 {
            self.put(smaller);
        }
        true
    }

    fn reserve_ahead(&mut self, buffer: &mut Vec<u8>, additional: usize) -> usize {
        let needed = buffer.len() + additional;
        let class = CLASSES.iter().position(|&class| class >= needed);
        let size = class.map_or(needed, |class| CLASSES[class]);
        // A reused buffer has memory already, so it counts in full. While at most half of the limit is used, that is acceptable.
        let is_plenty = self.used + size <= self.limit / 2;
        if is_plenty && class.is_some_and(|class| !self.free[class].is_empty()) {
            self.reserve(buffer, additional);
            return 0;
        }
        let counted = buffer.len();
        let mut larger = Vec::new();
        // The new buffer and the old one exist at the same time for a moment.
        if needed <= buffer.capacity()
            || counted > self.room_for(size)
            || larger.try_reserve_exact(size).is_err()
        {
            return 0;
        }
        self.make_room(counted);
        larger.extend_from_slice(buffer);
        self.used += counted;
        let uncounted = larger.capacity() - counted;
        let smaller = std::mem::replace(buffer, larger);
        if smaller.capacity() > 0 {
            self.put(smaller);
        }
        uncounted
    }

    fn try_count(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.large_limit.saturating_sub(self.used);
        if fits {
            self.count(bytes);
            self.make_room(0);
        }
        fits
    }

    fn count(&mut self, bytes: usize) {
        self.used += bytes;
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.put(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_what_is_handed_out() {
        let mut pool = Pool::new(4096, usize::MAX, 4096, 1 << 20);
        let first = pool.take(2000).unwrap();
        assert_eq!((first.capacity(), pool.used()), (4096, 4096));
        assert_eq!(pool.take(1), None);
        pool.put(first);
        assert_eq!(pool.used(), 0);
        assert!(pool.take(4097).is_none());
    }

    #[test]
    fn buffers_are_used_again_and_the_surplus_is_freed() {
        let mut pool = Pool::new(1 << 20, usize::MAX, 5 << 10, 1 << 20);
        let buffers: Vec<_> = (0..4).map(|_| pool.take(4096).unwrap()).collect();
        let first = buffers[0].as_ptr();
        buffers.into_iter().for_each(|buffer| pool.put(buffer));
        assert_eq!(pool.free_bytes, 4096, "one is kept");
        let again = pool.take(4096).unwrap();
        assert_eq!(again.as_ptr(), first);
    }

    #[test]
    fn of_large_buffers_all_are_kept_and_of_small_ones_some() {
        let mut pool = Pool::new(8 << 20, usize::MAX, 64 << 10, 1 << 20);
        let taken: Vec<_> =
            [16 << 10; 5].iter().chain(&[512 << 10; 15]).map(|&size| pool.take(size).unwrap()).collect();
        taken.into_iter().for_each(|buffer| pool.put(buffer));
        assert_eq!((pool.free_small, pool.free_bytes), (64 << 10, (64 << 10) + (15 << 19)));
        pool.trim();
        pool.trim();
        assert_eq!((pool.free_small, pool.free_bytes), (0, 0));
    }

    #[test]
    fn what_is_free_gives_way_to_what_is_used() {
        let mut pool = Pool::new(2 << 20, usize::MAX, 0, 1 << 20);
        let taken: Vec<_> = [256 << 10; 8].iter().map(|&size| pool.take(size).unwrap()).collect();
        taken.into_iter().for_each(|buffer| pool.put(buffer));
        assert_eq!(pool.free_bytes, 2 << 20);
        let larger = pool.take(1 << 20).unwrap();
        assert_eq!((pool.used(), pool.free_bytes), (1 << 20, 1 << 20));
        assert!(pool.take(2 << 20).is_none());
        pool.put(larger);
        assert_eq!((pool.used(), pool.free_bytes), (0, 2 << 20));
    }

    #[test]
    fn trimming_frees_what_was_not_needed_for_a_whole_period() {
        let mut pool = Pool::new(1 << 20, usize::MAX, 1 << 20, 1 << 20);
        let buffers: Vec<_> = (0..8).map(|_| pool.take(1024).unwrap()).collect();
        buffers.into_iter().for_each(|buffer| pool.put(buffer));
        pool.trim();
        assert_eq!(pool.free_bytes, 8 * 1024, "all were in use since the last trim");
        let needed = [pool.take(1024).unwrap(), pool.take(1024).unwrap()];
        needed.into_iter().for_each(|buffer| pool.put(buffer));
        pool.trim();
        assert_eq!(pool.free_bytes, 2 * 1024);
        pool.trim();
        assert_eq!(pool.free_bytes, 0);
    }

    #[test]
    fn growing_keeps_the_content_and_gives_the_smaller_buffer_back() {
        let mut pool = Pool::new(1 << 20, usize::MAX, 0, 1 << 20);
        let mut buffer = Vec::new();
        for byte in 0..=255 {
            assert!(pool.reserve(&mut buffer, 100));
            buffer.extend_from_slice(&[byte; 100]);
        }
        assert!(buffer.chunks(100).zip(0..=255).all(|(chunk, byte)| chunk == [byte; 100]));
        assert_eq!(pool.used(), buffer.capacity());
        pool.recycle(buffer);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn a_refused_growth_leaves_the_buffer_as_it_was() {
        let mut pool = Pool::new(2048, usize::MAX, 0, 1 << 20);
        let mut buffer = Vec::new();
        assert!(pool.reserve(&mut buffer, 1000));
        buffer.resize(1000, 7);
        assert!(!pool.reserve(&mut buffer, 4000));
        assert_eq!((buffer.len(), pool.used()), (1000, 1024));
    }

    #[test]
    fn room_ahead_counts_as_it_is_filled() {
        let mut pool = Pool::new(4 << 20, 0, 0, 1 << 20);
        let mut buffer = Vec::new();
        assert!(pool.reserve(&mut buffer, 60_000));
        buffer.resize(60_000, 7);
        let uncounted = pool.reserve_ahead(&mut buffer, 900_000);
        assert_eq!((buffer.len(), buffer.capacity()), (60_000, 1 << 20));
        assert_eq!((pool.used(), uncounted), (60_000, (1 << 20) - 60_000));
        assert!(pool.try_count(100_000));
        assert_eq!(pool.used(), 160_000);
        pool.count(uncounted - 100_000);
        pool.recycle(buffer);
        assert_eq!(pool.used(), 0);
        // A reused buffer has its memory already.
        let mut again = Vec::new();
        assert!(pool.reserve(&mut again, 60_000));
        again.resize(60_000, 7);
        assert_eq!(pool.reserve_ahead(&mut again, 900_000), 0);
        assert_eq!(pool.used(), 1 << 20);
        pool.recycle(again);
    }

    #[test]
    fn a_sixteenth_is_for_small_buffers() {
        let mut pool = Pool::new(4 << 20, 1 << 20, 0, 1 << 20);
        let large: Vec<_> = std::iter::from_fn(|| pool.take(64 << 10)).collect();
        assert_eq!(large.len() * (64 << 10), (4 << 20) - (256 << 10));
        assert!(pool.lacks_room_for(17 << 10) && !pool.lacks_room_for(16 << 10) && !pool.try_count(1));
        let small: Vec<_> = std::iter::from_fn(|| pool.take(16 << 10)).collect();
        assert_eq!((small.len(), pool.used()), (16, 4 << 20));
        assert!(pool.lacks_room_for(1));
        // Where one connection needs the whole limit, no part of it is reserved.
        let mut pool = Pool::new(4 << 20, 4 << 20, 0, 1 << 20);
        assert!(pool.take(4 << 20).is_some());
    }
}
