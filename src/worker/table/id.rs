//! The name of a connection.

use std::fmt;

use crate::budget::{MAX_CONNECTIONS_PER_WORKER, MAX_WORKERS};

const INDEX_BITS: u32 = MAX_CONNECTIONS_PER_WORKER.trailing_zeros();
const WORKER_BITS: u32 = MAX_WORKERS.trailing_zeros();
pub(super) const GENERATION_BITS: u32 = u64::BITS - INDEX_BITS - WORKER_BITS;

/// Generations count up to here and start again at 0.
pub(crate) const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// Names one connection of a server for as long as the server lives.
///
/// It is plain data: copy it, keep it, send it to other threads, and use it with a [`Handle`](crate::Handle). The slot of a
/// connection that has gone is used again, its name is not: a worker gives the same one out again only when the same slot is
/// taken exactly 2^28 (268 million) connections later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

impl ConnId {
    pub(crate) fn new(worker: usize, generation: u32, index: u32) -> Self {
        debug_assert!(worker < MAX_WORKERS && (index as usize) < MAX_CONNECTIONS_PER_WORKER);
        let generation = u64::from(generation & MAX_GENERATION);
        Self((worker as u64) << (u64::BITS - WORKER_BITS) | generation << INDEX_BITS | u64::from(index))
    }

    /// The name as a number, for tables and logs of your own.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The name that [`to_u64`](Self::to_u64) made a number of. Any number is a name, if perhaps of no connection.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number of its worker.
    #[must_use]
    pub const fn worker(self) -> usize {
        (self.0 >> (u64::BITS - WORKER_BITS)) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to 28 bits")]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32 & MAX_GENERATION
    }

    /// Its place among the connections of its worker, which is used again when it has gone.
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.0 & ((1 << INDEX_BITS) - 1)) as u32
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

impl fmt::Display for ConnId {
    /// Worker, slot and generation, as in `3-1045-17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.worker(), self.index(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_back() {
        for (worker, generation, index) in [(0, 0, 0), (1023, MAX_GENERATION, (1 << 26) - 1), (5, 77, 9)] {
            let id = ConnId::new(worker, generation, index);
            assert_eq!((id.worker(), id.generation(), id.index()), (worker, generation, index));
            assert_eq!(ConnId::from_u64(id.to_u64()), id);
        }
    }
}
