//! Hashes of topic names, and the owners of topics that follow from them: all workers determine the same owner.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

/// Hashes names with SipHash keys that clients cannot predict.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameHasher {
    keys: [u64; 2],
}

impl NameHasher {
    /// Makes a hasher with these keys, or with random keys if `keys` is `None`.
    pub(crate) fn new(keys: Option<[u64; 2]>) -> Self {
        // The standard library draws the keys of its own hash tables at random.
        let random = || [0, 1].map(|number: u8| RandomState::new().hash_one(number));
        Self { keys: keys.unwrap_or_else(random) }
    }

    /// Returns a number that differs between runs of the server.
    #[expect(clippy::cast_possible_truncation, reason = "as good a half as the other")]
    pub(crate) const fn run(self) -> u32 {
        (self.keys[0] ^ self.keys[1].rotate_left(17)) as u32
    }

    /// Returns the hash of a topic's name.
    pub(crate) fn hash(self, name: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}

/// Returns which of `workers` workers owns the topic whose name has this hash.
pub(crate) fn owner_of(hash: u64, workers: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % workers.max(1)
}
