//! The buffer of a message that arrives in pieces.

use super::Buffers;

/// The arrived bytes of a message from which on memory is reserved ahead for the rest.
pub(crate) const LARGE_MESSAGE: usize = 64 * 1024;
/// The bytes of a large message's declared length for which memory is reserved at once. Most large messages need no more, and moving a byte
/// to a larger buffer costs as much as receiving it.
const RESERVED_AHEAD: usize = 1024 * 1024;
/// The least bytes for which a separate system call that receives directly into the payload costs less than a copy.
const MIN_DIRECT_RECEIVE: usize = 16 * 1024;

/// The payload of a message that arrives in pieces, in memory of the caller's [`Buffers`].
#[derive(Debug, Default)]
pub(super) struct PayloadBuffer {
    bytes: Vec<u8>,
    /// Bytes at the end of the capacity that are not [counted](Buffers::try_count) because nothing has been written to them yet.
    uncounted: usize,
    /// Bytes at the end of `bytes` that were received directly into [`spare_capacity`](Self::spare_capacity) and are still masked.
    masked: usize,
}

impl PayloadBuffer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the buffer, to append bytes that [`reserve`](Self::reserve) has made room for.
    pub(super) const fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of memory that are counted.
    pub(super) const fn counted(&self) -> usize {
        self.bytes.capacity() - self.uncounted
    }

    /// Returns the bytes of memory that `additional` more bytes of payload may take.
    pub(super) fn needed(&self, additional: usize) -> usize {
        let room = self.bytes.capacity() - self.bytes.len();
        if room >= additional {
            self.uncounted_within(additional)
        } else {
            self.bytes.len().saturating_add(additional)
        }
    }

    /// Returns a buffer into which the rest of a large message can be received directly, and the most bytes to append. `missing` bytes of
    /// the payload have not arrived. Returns `None` if a copy costs less, or if there is no memory.
    pub(super) fn spare_capacity(
        &mut self,
        missing: usize,
        buffers: &mut impl Buffers,
    ) -> Option<(&mut Vec<u8>, usize)> {
        let len = self.bytes.len();
        if len >= LARGE_MESSAGE && self.bytes.capacity() - len < missing.min(LARGE_MESSAGE) {
            self.reserve_ahead(missing.min(max_reserved_ahead(len)), buffers);
        }
        let room = missing.min(self.bytes.capacity() - len);
        (room >= MIN_DIRECT_RECEIVE).then_some((&mut self.bytes, room))
    }

    /// Notes that the caller has appended `len` bytes to the buffer of [`spare_capacity`](Self::spare_capacity).
    pub(super) fn appended(&mut self, len: usize, buffers: &mut impl Buffers) {
        self.masked = len;
        let fresh = self.uncounted_within(0);
        self.uncounted -= fresh;
        buffers.count(fresh);
    }

    /// Returns the appended bytes, which the caller unmasks. A second call returns none.
    pub(super) fn take_masked(&mut self) -> &mut [u8] {
        let start = self.bytes.len() - std::mem::take(&mut self.masked);
        &mut self.bytes[start..]
    }

    /// Makes room for `additional` bytes that have arrived, of the `missing` bytes of the payload. Returns `false` if there is no memory
    /// for them.
    pub(super) fn reserve(&mut self, additional: usize, missing: usize, buffers: &mut impl Buffers) -> bool {
        let arrived = self.bytes.len() + additional;
        if arrived >= LARGE_MESSAGE && self.bytes.capacity() < arrived {
            self.reserve_ahead(missing.min(additional + max_reserved_ahead(arrived)), buffers);
        }
        if self.bytes.capacity() < arrived {
            self.count_all(buffers);
            return buffers.reserve(&mut self.bytes, additional);
        }
        let fresh = self.uncounted_within(additional);
        if fresh > 0 && !buffers.try_count(fresh) {
            return false;
        }
        self.uncounted -= fresh;
        true
    }

    /// Takes the buffer out and counts all of its capacity.
    pub(super) fn take(&mut self, buffers: &mut impl Buffers) -> Vec<u8> {
        self.count_all(buffers);
        std::mem::take(&mut self.bytes)
    }

    /// Returns how many of the payload's bytes and of `additional` more are not counted.
    fn uncounted_within(&self, additional: usize) -> usize {
        (self.bytes.len() + additional).saturating_sub(self.counted())
    }

    fn reserve_ahead(&mut self, additional: usize, buffers: &mut impl Buffers) {
        self.count_all(buffers);
        self.uncounted = buffers.reserve_ahead(&mut self.bytes, additional);
    }

    fn count_all(&mut self, buffers: &mut impl Buffers) {
        if self.uncounted > 0 {
            buffers.count(std::mem::take(&mut self.uncounted));
        }
    }
}

/// Returns the most bytes to reserve beyond the `arrived` bytes of a large message, whatever its declared length.
fn max_reserved_ahead(arrived: usize) -> usize {
    RESERVED_AHEAD.saturating_sub(arrived).max(3 * arrived)
}
