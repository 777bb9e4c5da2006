//! The id of a connection.

use std::fmt;

use crate::budget::{MAX_CONNECTIONS_PER_WORKER, MAX_WORKERS};

const INDEX_BITS: u32 = MAX_CONNECTIONS_PER_WORKER.trailing_zeros();
const WORKER_BITS: u32 = MAX_WORKERS.trailing_zeros();
pub(super) const GENERATION_BITS: u32 = u64::BITS - INDEX_BITS - WORKER_BITS;

/// The largest generation; the next one is 0.
pub(crate) const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// Identifies one connection of a server for the lifetime of the server.
///
/// An id is plain data: copy it, keep it, send it to other threads, and use it with a [`Handle`](crate::Handle). Slots of connections are
/// reused, ids are not: a worker assigns the same id again only when the same slot is taken exactly 2^28 (268 million) connections later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

/// The slot of a connection in its worker's table. It is reused after the connection has ended: a [`ConnId`] is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnIndex(u32);

impl ConnIndex {
    /// Returns the index of the slot with this number. There need not be a connection in it.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number of the slot, from 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(in crate::worker) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl ConnId {
    pub(crate) fn new(worker: usize, generation: u32, index: u32) -> Self {
        debug_assert!(worker < MAX_WORKERS && (index as usize) < MAX_CONNECTIONS_PER_WORKER);
        let generation = u64::from(generation & MAX_GENERATION);
        Self((worker as u64) << (u64::BITS - WORKER_BITS) | generation << INDEX_BITS | u64::from(index))
    }

    /// Returns the id as a number, for tables and logs of the application.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Returns the id that [`to_u64`](Self::to_u64) made this number of. Any number is an id, though perhaps of no connection.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of the connection's worker.
    #[must_use]
    pub const fn worker(self) -> usize {
        (self.0 >> (u64::BITS - WORKER_BITS)) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to 28 bits")]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32 & MAX_GENERATION
    }

    /// Returns the connection's slot among those of its worker. The slot is reused after the connection has ended.
    #[must_use]
    pub const fn index(self) -> ConnIndex {
        ConnIndex((self.0 & ((1 << INDEX_BITS) - 1)) as u32)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

impl fmt::Display for ConnId {
    /// Writes worker, slot and generation, as in `3-1045-17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.worker(), self.index().0, self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_back() {
        for (worker, generation, index) in [(0, 0, 0), (1023, MAX_GENERATION, (1 << 26) - 1), (5, 77, 9)] {
            let id = ConnId::new(worker, generation, index);
            assert_eq!((id.worker(), id.generation(), id.index().get()), (worker, generation, index));
            assert_eq!(ConnId::from_u64(id.to_u64()), id);
        }
    }
}
