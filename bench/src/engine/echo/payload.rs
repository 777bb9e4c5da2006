//! What echoed messages hold: bytes that tell one message from the others, without a copy of each being kept.

use std::sync::Arc;

/// Messages of one connection that differ from each other: one more is the first one again.
const DIFFERENT: usize = 1 << 16;
/// Odd, so that it leads through all of them, and far from one message to the next.
const STRIDE: usize = 40_503;
/// What people say in messages of JSON.
const WORDS: [&str; 16] = [
    "hello", "thanks", "meeting", "tomorrow", "please", "update", "the", "room", "is", "ready", "when",
    "you", "are", "back", "with", "us",
];

/// What messages hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Text of ASCII letters and digits by lot, which nothing makes much shorter.
    #[default]
    Letters,
    /// Any bytes, in binary messages.
    Bytes,
    /// Stretches of JSON, as chats and feeds send it: text that compression makes shorter.
    Json,
}

/// Bytes drawn once. Each message is a stretch of them, which begins where its number says.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    bytes: Arc<[u8]>,
    size: usize,
}

impl Pattern {
    /// Messages of `size` bytes.
    pub(crate) fn new(size: usize, payload: Payload, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let len = DIFFERENT + size;
        let bytes = match payload {
            Payload::Letters => (0..len).map(|_| u8::try_from(rng.alphanumeric()).unwrap_or(b'x')).collect(),
            Payload::Bytes => (0..len).map(|_| rng.u8(..)).collect(),
            Payload::Json => json(len, &mut rng).into(),
        };
        Self { bytes, size }
    }

    /// The message with this number of a connection.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are of use")]
    pub(crate) fn message(&self, connection: usize, number: u64) -> &[u8] {
        let start =
            connection.wrapping_mul(7).wrapping_add((number as usize).wrapping_mul(STRIDE)) % DIFFERENT;
        &self.bytes[start..start + self.size]
    }
}

/// One object behind the other, to so many bytes.
fn json(len: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = String::with_capacity(len + 256);
    while text.len() < len {
        let (id, user, at) = (rng.u32(..), rng.u16(..), rng.u32(1_700_000_000..1_800_000_000));
        let words: Vec<_> = (0..rng.usize(3..9)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
        let (words, seen) = (words.join(" "), rng.bool());
        text.push_str(&format!(
            "{{\"id\":{id},\"user\":\"user-{user}\",\"text\":\"{words}\",\"seen\":{seen},\"at\":{at}}},"
        ));
    }
    text.truncate(len);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use throng::ws::deflate::Deflater;

    use super::*;

    #[test]
    fn messages_differ_and_are_the_same_again() {
        let pattern = Pattern::new(16, Payload::Letters, 1);
        let all: HashSet<&[u8]> = (0..10_000).map(|number| pattern.message(3, number)).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|message| message.is_ascii() && message.len() == 16));
        assert_eq!(pattern.message(5, 77), Pattern::new(16, Payload::Letters, 1).message(5, 77));
        assert_ne!(pattern.message(5, 77), pattern.message(6, 77));
        assert!(!Pattern::new(4096, Payload::Bytes, 1).message(0, 0).is_ascii());
        assert!(Pattern::new(0, Payload::Letters, 1).message(9, u64::MAX).is_empty());
    }

    #[test]
    fn json_is_made_shorter_and_tells_connections_apart() {
        let pattern = Pattern::new(1024, Payload::Json, 1);
        let all: HashSet<&[u8]> = (0..20_000).map(|connection| pattern.message(connection, 0)).collect();
        assert_eq!(all.len(), 20_000);
        let mut deflater = Deflater::new(6);
        for connection in 0..100 {
            let len = deflater.compress(pattern.message(connection, 0), 15, &[]).len();
            assert!((200..700).contains(&len), "{len} of 1,024 bytes");
        }
    }
}
