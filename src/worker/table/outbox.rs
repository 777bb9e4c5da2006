//! Output that the kernel has not taken yet, in order.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use crate::base::pool::Pool;
use crate::ws::Buffers;

/// A frame in its wire form, shared by all connections that it is sent to.
pub(crate) type Frame = Arc<[u8]>;

/// The least capacity of a chunk of bytes.
pub(crate) const MIN_CHUNK: usize = 1024;

/// The overhead of a reference to a shared frame, in bytes. It bounds the number of small frames in outboxes.
pub(crate) const REFERENCE_OVERHEAD: usize = 64;

/// The number of chunks from which on small frames are copied rather than referenced.
const MANY_CHUNKS: usize = 16;

/// A queue of bytes: copies in pooled chunks, and references to frames that connections share. Callers enforce its limit.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are already written.
    written: usize,
    /// Bytes that are not written yet.
    len: usize,
    /// References to shared frames among the chunks.
    references: usize,
}

/// A later message may replace queued messages with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConflationKey(u32);

impl ConflationKey {
    /// The key of messages that are never dropped.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }
}

impl Default for ConflationKey {
    fn default() -> Self {
        Self::NONE
    }
}

#[derive(Debug)]
enum Chunk {
    Pooled(Vec<u8>),
    Shared(Frame, ConflationKey),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Pooled(bytes) => bytes,
            Self::Shared(frame, _) => frame,
        }
    }

    /// Returns the key of a message that may be dropped.
    fn key(&self) -> Option<ConflationKey> {
        #[cfg(test)]
        tests::VISITS.set(tests::VISITS.get() + 1);
        match self {
            Self::Shared(_, key) if *key != ConflationKey::NONE => Some(*key),
            _ => None,
        }
    }
}

impl Outbox {
    /// Returns the number of queued bytes.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of queued bytes that are in no shared frame. Visits all chunks: for when there is no room.
    pub(crate) fn copied_len(&self) -> usize {
        let copies = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Pooled(bytes) => bytes.len(),
            Chunk::Shared(..) => 0,
        });
        let is_copy = matches!(self.chunks.front(), Some(Chunk::Pooled(_)));
        copies.sum::<usize>() - if is_copy { self.written } else { 0 }
    }

    /// Returns the number of queued bytes, with the overhead of keeping them.
    pub(crate) const fn weight(&self) -> usize {
        self.len + self.references * REFERENCE_OVERHEAD
    }

    /// Appends a copy of `bytes`. Returns `false`, and appends nothing, when the pool has no memory for it.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8], pool: &mut Pool) -> bool {
        if let Some(Chunk::Pooled(last)) = self.chunks.back_mut()
            && last.capacity() - last.len() >= bytes.len()
        {
            last.extend_from_slice(bytes);
        } else {
            let Some(mut chunk) = pool.take(bytes.len().max(MIN_CHUNK)) else { return false };
            chunk.extend_from_slice(bytes);
            self.chunks.push_back(Chunk::Pooled(chunk));
        }
        self.len += bytes.len();
        true
    }

    /// Appends a buffer of the pool without a copy, of which `written` bytes are already written.
    pub(crate) fn push_buffer(&mut self, bytes: Vec<u8>, written: usize, pool: &mut Pool) {
        debug_assert!(written == 0 || self.is_empty(), "only the first chunk can be partly written");
        if written >= bytes.len() {
            return pool.recycle(bytes);
        }
        if self.is_empty() {
            self.written = written;
        }
        self.len += bytes.len() - written;
        self.chunks.push_back(Chunk::Pooled(bytes));
    }

    /// Returns whether a shared frame of `len` bytes should be copied: a reference takes memory that no limit counts, and one queue can
    /// have very many small frames.
    pub(crate) fn prefers_copy(&self, len: usize) -> bool {
        len < MIN_CHUNK && self.chunks.len() >= MANY_CHUNKS
    }

    /// Appends a reference to a shared frame, of which `written` bytes are already written. With a key it may be dropped later.
    pub(crate) fn push_shared(&mut self, frame: Frame, written: usize, key: ConflationKey, pool: &mut Pool) {
        debug_assert!(written == 0 || self.is_empty(), "only the first chunk can be partly written");
        debug_assert!(written < frame.len());
        if self.is_empty() {
            self.written = written;
        }
        self.len += frame.len() - written;
        self.references += 1;
        pool.add_to_backlog(frame.len() + REFERENCE_OVERHEAD);
        self.chunks.push_back(Chunk::Shared(frame, key));
    }

    /// Drops the messages with this key, and returns how many there were. Keeps a message that is partly written. Visits each entry once.
    pub(crate) fn drop_conflated(&mut self, key: ConflationKey, pool: &mut Pool) -> u32 {
        if key == ConflationKey::NONE {
            return 0;
        }
        let (mut first, mut dropped) = (self.written > 0, 0);
        let Self { chunks, len, references, .. } = self;
        chunks.retain(|chunk| {
            let stays = std::mem::take(&mut first) || chunk.key() != Some(key);
            if !stays {
                *len -= chunk.bytes().len();
                *references -= 1;
                pool.take_from_backlog(chunk.bytes().len() + REFERENCE_OVERHEAD);
                dropped += 1;
            }
            stays
        });
        dropped
    }

    /// Drops messages that have a key, oldest first, until `fits` accepts the outbox's [`weight`](Self::weight). Returns how many it
    /// dropped. Keeps a message that is partly written. Visits each entry once, and none behind the last that it drops.
    pub(crate) fn drop_oldest(&mut self, pool: &mut Pool, fits: impl Fn(usize, &Pool) -> bool) -> u32 {
        let mut dropped = 0;
        let partly_written = if self.written > 0 { self.chunks.pop_front() } else { None };
        let mut kept = Vec::new();
        while !fits(self.weight(), pool)
            && let Some(chunk) = self.chunks.pop_front()
        {
            if chunk.key().is_none() {
                kept.push(chunk);
                continue;
            }
            self.len -= chunk.bytes().len();
            self.release(chunk, pool);
            dropped += 1;
        }
        kept.into_iter().rev().chain(partly_written).for_each(|chunk| self.chunks.push_front(chunk));
        dropped
    }

    fn release(&mut self, chunk: Chunk, pool: &mut Pool) {
        match chunk {
            Chunk::Pooled(bytes) => pool.recycle(bytes),
            Chunk::Shared(frame, _) => {
                self.references -= 1;
                pool.take_from_backlog(frame.len() + REFERENCE_OVERHEAD);
            }
        }
    }

    /// Fills `slices` with the start of the queue, and returns how many it filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut filled = 0;
        for (slot, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slot = IoSlice::new(&chunk.bytes()[std::mem::take(&mut skip)..]);
            filled += 1;
        }
        filled
    }

    /// Removes `count` bytes, which were written.
    pub(crate) fn advance(&mut self, count: usize, pool: &mut Pool) {
        debug_assert!(count <= self.len);
        self.len -= count;
        self.written += count;
        while let Some(first) = self.chunks.front()
            && self.written >= first.bytes().len()
        {
            self.written -= first.bytes().len();
            if let Some(chunk) = self.chunks.pop_front() {
                self.release(chunk, pool);
            }
        }
    }

    /// Discards the whole queue.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.advance(self.len, pool);
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// Counts the entries that were checked for whether they may be dropped.
        pub(super) static VISITS: Cell<usize> = const { Cell::new(0) };
    }

    fn pool() -> Pool {
        Pool::new(1 << 20, usize::MAX, 0, 1 << 20)
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..700), any::<bool>(), 0..900_usize), 0..24),
        ) {
            let (mut outbox, mut pool) = (Outbox::default(), pool());
            let (mut expected, mut got) = (Vec::new(), Vec::new());
            let write = |outbox: &mut Outbox, pool: &mut Pool, most: usize, got: &mut Vec<u8>| {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = outbox.slices(&mut slices);
                let lent: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).take(most).collect();
                outbox.advance(lent.len(), pool);
                got.extend_from_slice(&lent);
            };
            for (bytes, shared, writable) in pieces {
                expected.extend_from_slice(&bytes);
                if shared {
                    outbox.push_shared(Frame::from(bytes), 0, ConflationKey::NONE, &mut pool);
                } else {
                    prop_assert!(outbox.push(&bytes, &mut pool));
                }
                write(&mut outbox, &mut pool, writable, &mut got);
                prop_assert_eq!(outbox.len(), expected.len() - got.len());
                prop_assert!(outbox.copied_len() <= outbox.len());
            }
            while !outbox.is_empty() {
                write(&mut outbox, &mut pool, 333, &mut got);
            }
            prop_assert_eq!(got, expected);
            prop_assert_eq!((pool.used(), pool.backlog()), (0, 0));
        }
    }

    #[test]
    fn clearing_gives_all_memory_back() {
        let (mut outbox, mut pool) = (Outbox::default(), pool());
        outbox.push_shared(Frame::from(&b"shared"[..]), 2, ConflationKey::NONE, &mut pool);
        assert!(outbox.push(&[0; 5000], &mut pool) && outbox.push(&[0; 5000], &mut pool));
        assert_eq!((outbox.len(), outbox.copied_len()), (10_004, 10_000));
        outbox.advance(1_004, &mut pool);
        assert_eq!((outbox.len(), outbox.copied_len()), (9_000, 9_000));
        outbox.clear(&mut pool);
        assert_eq!((outbox.len(), pool.used(), pool.backlog()), (0, 0, 0));
    }

    const MANY: usize = 1_000;

    fn frame(number: usize) -> Frame {
        Frame::from(number.to_be_bytes())
    }

    /// Returns an outbox with messages of two keys and messages that are never dropped, in turn, as many of each.
    fn mixed(pool: &mut Pool) -> Outbox {
        let mut outbox = Outbox::default();
        let keys = [ConflationKey::NONE, ConflationKey::new(1), ConflationKey::new(2)];
        for number in 0..3 * MANY {
            outbox.push_shared(frame(number), 0, keys[number % 3], pool);
        }
        outbox
    }

    /// Returns the numbers of the messages in an outbox, whose first may be partly written.
    fn numbers(outbox: &Outbox) -> Vec<usize> {
        let numbers =
            outbox.chunks.iter().map(|chunk| usize::from_be_bytes(chunk.bytes().try_into().unwrap()));
        numbers.collect()
    }

    fn visits() -> usize {
        VISITS.take()
    }

    #[test]
    fn messages_of_a_key_are_dropped_in_one_pass() {
        for written in [0, 1] {
            let mut pool = Pool::new(1 << 20, usize::MAX, 0, 1 << 20);
            let mut outbox = mixed(&mut pool);
            outbox.advance(8 + written, &mut pool);
            visits();
            assert_eq!(outbox.drop_conflated(ConflationKey::NONE, &mut pool), 0);
            let dropped = outbox.drop_conflated(ConflationKey::new(1), &mut pool) as usize;
            assert_eq!(
                (dropped, visits() <= 3 * MANY),
                (MANY - written, true),
                "the first is partly written"
            );
            let left = (1..3 * MANY).filter(|number| number % 3 != 1 || (*number == 1 && written == 1));
            assert_eq!(numbers(&outbox), left.collect::<Vec<_>>());
            assert_eq!(outbox.len(), outbox.chunks.len() * 8 - written);
            assert_eq!(pool.backlog(), outbox.chunks.len() * (8 + REFERENCE_OVERHEAD));
            outbox.clear(&mut pool);
            assert_eq!(pool.backlog(), 0);
        }
    }

    #[test]
    fn the_oldest_messages_are_dropped_in_one_pass() {
        for written in [0, 1] {
            let mut pool = Pool::new(1 << 20, usize::MAX, 0, 1 << 20);
            let mut outbox = mixed(&mut pool);
            outbox.advance(8 + written, &mut pool);
            visits();
            let goal = outbox.weight() - MANY * (8 + REFERENCE_OVERHEAD);
            let dropped = outbox.drop_oldest(&mut pool, |weight, _| weight <= goal) as usize;
            assert_eq!((dropped, visits() <= 3 * MANY / 2 + 3), (MANY, true));
            let kept = (1..3 * MANY).filter(|number| {
                let is_old = *number <= 3 * MANY / 2 + written;
                number % 3 == 0 || !is_old || (*number == 1 && written == 1)
            });
            assert_eq!(numbers(&outbox), kept.collect::<Vec<_>>());
            // Messages without a key stay, however much is to be dropped.
            outbox.drop_oldest(&mut pool, |_, _| false);
            assert!(numbers(&outbox).into_iter().skip(written).all(|number| number % 3 == 0));
            outbox.clear(&mut pool);
            assert_eq!(pool.backlog(), 0);
        }
    }
}
