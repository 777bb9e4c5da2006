//! Hashes of topics' names, by which all workers find the same owner.

use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

/// The keys of the hash of names, which clients must not foresee.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameHasher {
    keys: [u64; 2],
}

impl NameHasher {
    /// With these keys, or at random.
    pub(crate) fn new(keys: Option<[u64; 2]>) -> Self {
        // The standard library draws the keys of its own tables at random.
        let random = || [0, 1].map(|number: u8| RandomState::new().hash_one(number));
        Self { keys: keys.unwrap_or_else(random) }
    }

    /// A number that differs from one run of the server to the next.
    #[expect(clippy::cast_possible_truncation, reason = "as good a half as the other")]
    pub(crate) const fn run(self) -> u32 {
        (self.keys[0] ^ self.keys[1].rotate_left(17)) as u32
    }

    pub(crate) fn hash(self, name: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}

/// The worker that owns the topic with this hash.
pub(crate) fn owner(hash: u64, workers: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % workers.max(1)
}
