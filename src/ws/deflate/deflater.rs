//! The compression of messages (RFC 7692, section 7.2.1).

use zlib_rs::{Deflate, DeflateFlush, Status};

use super::TAIL;

/// The smallest window of the library, as a power of two. Its references reach back at most 250 bytes, so that it also serves a window of
/// 256 bytes (8).
const LEAST_BITS: u8 = 9;
/// The largest window, 32,768 bytes (RFC 7692-7.2.1-4), as a power of two.
const MOST_BITS: u8 = 15;
/// The least bytes by which the output buffer grows.
const LEAST_ROOM: usize = 256;
/// The bytes of the output buffer that [`Deflater::trim`] keeps.
const KEEP: usize = 64 << 10;

/// Compresses messages, one after the other. A deflater keeps no context in between: the caller passes it with each message.
///
/// A deflater takes 150 to 380 KiB for each window size that is used, from the first message on: share one among many connections.
pub struct Deflater {
    level: i32,
    /// The stream of each window size, made at its first use.
    streams: [Option<Deflate>; (MOST_BITS - LEAST_BITS + 1) as usize],
    /// The last message, followed by stale bytes.
    out: Vec<u8>,
}

impl Deflater {
    /// Makes a deflater with the compression level `level`: 1 is the fastest, 9 the smallest; a value outside becomes the nearer limit.
    #[must_use]
    pub fn new(level: i32) -> Self {
        Self { level: level.clamp(1, 9), streams: Default::default(), out: Vec::new() }
    }

    /// Compresses a message and returns the payload of a frame with RSV1 set. No reference reaches further back than a window of
    /// `window_bits`, a power of two from 8 to 15. `context` is the data before the message that it may refer to; it is empty for a message
    /// without context takeover.
    pub fn compress(&mut self, payload: &[u8], window_bits: u8, context: &[u8]) -> &[u8] {
        // RFC 7692-7.2.1-8
        let bits = window_bits.clamp(LEAST_BITS, MOST_BITS);
        let level = self.level;
        let stream = self.streams[usize::from(bits - LEAST_BITS)]
            .get_or_insert_with(|| Deflate::new(level, false, bits));
        stream.reset();
        if !context.is_empty() {
            // Only a stream that has already begun refuses a dictionary.
            let set = stream.set_dictionary(context);
            debug_assert!(set.is_ok(), "{set:?}");
        }
        let (mut input, mut end) = (payload, 0);
        loop {
            let room = self.out.len() - end;
            if room < LEAST_ROOM {
                self.out.resize(self.out.len() + (input.len() / 2).max(LEAST_ROOM), 0);
                continue;
            }
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.compress(input, &mut self.out[end..], DeflateFlush::SyncFlush);
            // Only an inconsistent stream fails.
            debug_assert!(matches!(status, Ok(Status::Ok | Status::BufError)), "{status:?}");
            let written = size(stream.total_out() - written);
            input = &input[size(stream.total_in() - read)..];
            end += written;
            if written < room {
                break;
            }
        }
        debug_assert!(
            input.is_empty() && self.out[..end].ends_with(&TAIL),
            "a sync flush ends in an empty stored block"
        );
        // RFC 7692-7.2.1-1
        &self.out[..end.saturating_sub(TAIL.len())]
    }

    /// Returns whether the buffer is larger than small messages need.
    #[must_use]
    pub const fn can_trim(&self) -> bool {
        self.out.len() > KEEP
    }

    /// Frees the memory that large messages took.
    pub fn trim(&mut self) {
        if self.can_trim() {
            self.out = Vec::new();
        }
    }
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater").field("level", &self.level).finish_non_exhaustive()
    }
}

/// Converts a number of bytes of a slice.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ws::deflate::{Inflater, reference};

    fn deflate(deflater: &mut Deflater, payload: &[u8], window_bits: u8) -> Vec<u8> {
        deflater.compress(payload, window_bits, &[]).to_vec()
    }

    #[test]
    fn nothing_is_a_single_byte() {
        assert_eq!(deflate(&mut Deflater::new(1), b"", 15), [0x00]);
    }

    #[test]
    fn the_example_of_the_standard() {
        let hello = deflate(&mut Deflater::new(6), b"Hello", 15);
        assert_eq!(hello, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    }

    #[test]
    fn no_reference_leaves_the_window() {
        // The payload repeats itself at every distance up to 40,000, and so at those just over each window.
        let mut payload: Vec<u8> =
            (0..40_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
        for distance in [200, 250, 251, 255, 256, 257, 300, 511, 513, 1_025, 4_097, 33_000] {
            let end = payload.len();
            payload.extend_from_within(end - distance..end - distance + 100.min(distance));
            payload.extend((0..20_u32).map(|at| (at.wrapping_mul(40_503) >> 3).to_le_bytes()[0]));
        }
        for level in [1, 6] {
            let mut deflater = Deflater::new(level);
            for bits in 8..=15 {
                let compressed = [&deflate(&mut deflater, &payload, bits)[..], &TAIL].concat();
                let inflated = reference::inflate(&compressed);
                assert!(inflated.bytes == payload, "level {level}, {bits} bits");
                let window = 1 << bits;
                assert!(
                    inflated.farthest <= window,
                    "level {level}, {bits} bits: {} back",
                    inflated.farthest
                );
                assert!(
                    inflated.farthest > window / 3,
                    "level {level}, {bits} bits: {} back",
                    inflated.farthest
                );
            }
        }
    }

    proptest! {
        #[test]
        fn messages_come_back_and_stand_alone(
            messages in prop::collection::vec(
                (prop::collection::vec(0..4_u8, 0..3_000), 8..=15_u8, any::<bool>()), 1..6,
            ),
            level in 1..=9_i32,
        ) {
            let (mut deflater, mut inflater) = (Deflater::new(level), Inflater::new());
            for (mut payload, bits, is_noise) in messages {
                if is_noise {
                    for (at, byte) in payload.iter_mut().enumerate() {
                        *byte = byte.wrapping_mul(97) ^ (at * 31).to_le_bytes()[0];
                    }
                }
                let compressed = deflate(&mut deflater, &payload, bits);
                prop_assert_eq!(&reference::inflate(&[&compressed[..], &TAIL].concat()).bytes, &payload);
                prop_assert_eq!(inflater.decompress(&compressed, payload.len(), &[]), Ok(&payload[..]));
            }
        }
    }
}
