//! What echoed messages hold: bytes that tell one message from the others, without a copy of each being kept.

use std::sync::Arc;

/// Messages of one connection that differ from each other: one more is the first one again.
const DIFFERENT: usize = 1 << 16;
/// Odd, so that it leads through all of them, and far from one message to the next.
const STRIDE: usize = 40_503;

/// Bytes drawn once. Each message is a stretch of them, which begins where its number says.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    bytes: Arc<[u8]>,
    size: usize,
}

impl Pattern {
    /// Messages of `size` bytes: text of ASCII letters, or any bytes.
    pub(super) fn new(size: usize, binary: bool, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut byte = || if binary { rng.u8(..) } else { u8::try_from(rng.alphanumeric()).unwrap_or(b'x') };
        Self { bytes: (0..DIFFERENT + size).map(|_| byte()).collect(), size }
    }

    /// The message with this number of a connection.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are of use")]
    pub(super) fn message(&self, connection: usize, number: u64) -> &[u8] {
        let start =
            connection.wrapping_mul(7).wrapping_add((number as usize).wrapping_mul(STRIDE)) % DIFFERENT;
        &self.bytes[start..start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn messages_differ_and_are_the_same_again() {
        let pattern = Pattern::new(16, false, 1);
        let all: HashSet<&[u8]> = (0..10_000).map(|number| pattern.message(3, number)).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|message| message.is_ascii() && message.len() == 16));
        assert_eq!(pattern.message(5, 77), Pattern::new(16, false, 1).message(5, 77));
        assert_ne!(pattern.message(5, 77), pattern.message(6, 77));
        assert!(!Pattern::new(4096, true, 1).message(0, 0).is_ascii());
        assert!(Pattern::new(0, false, 1).message(9, u64::MAX).is_empty());
    }
}
