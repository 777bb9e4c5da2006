//! The cost of decompression beyond the bytes of a message: a few bytes can demand that tables are built, or that all earlier bytes are
//! copied.

use super::inflate_error::InflateError;

/// The work of setting up and ending a message. The unit of all work here is the decompression of one byte.
const MESSAGE: usize = 512;
/// The work of beginning another stream, in addition to one for each byte that it may refer to, because these bytes are copied.
const STREAM: usize = 512;
/// The work of a block, in addition to one for each of its bytes.
const BLOCK: usize = 128;
/// The most work of building the tables of a block with dynamic Huffman codes, and that work for each compressed byte. The header is
/// readable only for the first block and for those behind a flush, so every other block that is long enough counts as one with dynamic
/// codes.
const TABLES: usize = 16 << 10;
const TABLES_PER_BYTE: usize = 512;
/// The least compressed bytes of a block with dynamic Huffman codes (RFC 1951, section 3.2.7).
pub(super) const MIN_DYNAMIC_BLOCK: usize = 10;

/// The most streams of a message. Messages have one; RFC 7692 allows several (section 7.2.3.4), but no use of that is known.
pub(super) const MAX_STREAMS: usize = 64;
/// The most work of a message's blocks in addition to their bytes: for any message, and for each byte that the message may have. A message
/// of 1 MiB may have 1,280 tables. A compressor writes one for as many symbols as its buffer holds: 16,384 by default in zlib, and 1,024 or
/// more with all memory levels but the lowest three.
const BLOCK_WORK_BASE: usize = 4 << 20;
const BLOCK_WORK_PER_BYTE: usize = 16;

/// The work done on a message, and its limits.
#[derive(Debug, Default)]
pub(super) struct Work {
    done: usize,
    streams: usize,
    /// The work that further blocks may cost in addition to their bytes.
    blocks: usize,
}

/// The result of decompressing a block or a part of one.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) compressed: usize,
    pub(super) len: usize,
    /// Whether the block is known to have no dynamic codes.
    pub(super) lacks_dynamic_codes: bool,
}

impl Work {
    /// Begins to count the work of a message of at most `max` bytes.
    pub(super) const fn of_message(max: usize) -> Self {
        let blocks = max.saturating_mul(BLOCK_WORK_PER_BYTE).saturating_add(BLOCK_WORK_BASE);
        Self { done: MESSAGE, streams: 0, blocks }
    }

    pub(super) const fn done(&self) -> usize {
        self.done
    }

    /// Counts a stream that may refer to `context_len` bytes. Returns an error if the message has too many streams.
    pub(super) const fn add_stream(&mut self, context_len: usize) -> Result<(), InflateError> {
        self.done += context_len + if self.streams > 0 { STREAM } else { 0 };
        self.streams += 1;
        if self.streams > MAX_STREAMS { Err(InflateError::TooCostly) } else { Ok(()) }
    }

    pub(super) const fn add_block(&mut self, block: &Block) -> Result<(), InflateError> {
        let extra = if block.lacks_dynamic_codes || block.compressed < MIN_DYNAMIC_BLOCK {
            BLOCK
        } else if block.compressed < TABLES / TABLES_PER_BYTE {
            block.compressed * TABLES_PER_BYTE
        } else {
            TABLES
        };
        self.done += block.len + block.compressed + extra;
        match self.blocks.checked_sub(extra) {
            Some(left) => {
                self.blocks = left;
                Ok(())
            }
            None => Err(InflateError::TooCostly),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::deflate::{Deflater, Inflater};

    /// Writes bits in the order of DEFLATE.
    #[derive(Default)]
    struct Bits {
        bytes: Vec<u8>,
        used: u32,
    }

    impl Bits {
        /// Writes a number, lowest bit first.
        fn put(&mut self, value: u32, count: u32) {
            for at in 0..count {
                if self.used.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                let last = self.bytes.len() - 1;
                self.bytes[last] |= u8::try_from(value >> at & 1).unwrap() << (self.used % 8);
                self.used += 1;
            }
        }

        /// Writes a Huffman code, highest bit first.
        fn code(&mut self, code: u32, count: u32) {
            (0..count).rev().for_each(|at| self.put(code >> at & 1, 1));
        }

        /// Writes an empty block with dynamic codes that demand the largest tables: both literals and distances have codes with the lengths
        /// 1 to 14 and two codes with the length 15.
        fn tables(&mut self) {
            self.put(0b100, 3);
            self.put(29, 5);
            self.put(15, 5);
            self.put(15, 4);
            // The code length code: 16 symbols of 4 bits each. Of the repeat symbols only 18, for zeros, is used.
            for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
                self.put(if matches!(symbol, 16 | 17 | 0) { 0 } else { 4 }, 3);
            }
            let length = |bits: &mut Self, length: u32| bits.code(length - 1, 4);
            let zeros = |bits: &mut Self, count: u32| {
                bits.code(15, 4);
                bits.put(count - 11, 7);
            };
            (1..=15).for_each(|bits| length(self, bits));
            zeros(self, 138);
            zeros(self, 103);
            length(self, 15);
            zeros(self, 29);
            (1..=15).for_each(|bits| length(self, bits));
            length(self, 15);
            // The end of the block is the last code.
            self.code((1 << 15) - 1, 15);
        }
    }

    /// "Hello" in a block with BFINAL.
    const FINAL_HELLO: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    /// An empty block with BFINAL.
    const FINAL: &[u8] = &[0x03, 0x00];

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).to_le_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    /// Decompresses a message and returns the length of the result and the work.
    fn inflated(message: &[u8], max: usize) -> (Result<usize, InflateError>, usize) {
        let mut inflater = Inflater::new();
        let outcome = inflater.decompress(message, max, &[]).map(<[u8]>::len);
        (outcome, inflater.work())
    }

    /// Returns a message in a stream that is flushed after every `piece` bytes.
    fn flushed(payload: &[u8], piece: usize) -> Vec<u8> {
        let mut deflate = zlib_rs::Deflate::new(6, false, 15);
        let mut out = vec![0; 2 * payload.len() + payload.len().div_ceil(piece) * 16];
        for part in payload.chunks(piece) {
            let at = usize::try_from(deflate.total_out()).unwrap();
            deflate.compress(part, &mut out[at..], zlib_rs::DeflateFlush::SyncFlush).unwrap();
        }
        out.truncate(usize::try_from(deflate.total_out()).unwrap() - 4);
        out
    }

    #[test]
    fn a_stream_that_begins_again_costs_what_is_copied_for_it() {
        let (_, work) = inflated(&FINAL_HELLO.repeat(10), 100);
        assert!(work < 10 * 1024, "{work}");
        let large = [&flushed(&noise(40_000), 40_000)[..], &[0, 0, 0xff, 0xff]].concat();
        let (outcome, once) = inflated(&[&large[..], &[0]].concat(), 1 << 20);
        assert_eq!(outcome, Ok(40_000));
        for streams in [1, 10, MAX_STREAMS - 1] {
            let (outcome, work) = inflated(&[&large[..], &FINAL.repeat(streams), &[0]].concat(), 1 << 20);
            assert_eq!(outcome, Ok(40_000));
            assert!((work - once) / streams >= 32 << 10, "{streams} streams more: {}", work - once);
        }
    }

    /// Without the limit, 1.15 MB of such streams took half a second.
    #[test]
    fn streams_without_end_are_given_up() {
        let streams = |count: usize| [&FINAL.repeat(count)[..], &[0]].concat();
        assert_eq!(inflated(&streams(MAX_STREAMS - 1), 0).0, Ok(0));
        assert_eq!(inflated(&streams(MAX_STREAMS), 0).0, Err(InflateError::TooCostly));
        let large = [&flushed(&noise(40_000), 40_000)[..], &[0, 0, 0xff, 0xff]].concat();
        let (outcome, work) = inflated(&[&large[..], &FINAL.repeat(575_000)].concat(), 1 << 20);
        assert_eq!(outcome, Err(InflateError::TooCostly));
        assert!(work < MAX_STREAMS * (33 << 10) + 100_000, "{work}");
    }

    #[test]
    fn tables_cost_what_it_takes_to_build_them_and_are_bounded() {
        let tables = |count: usize| {
            let mut bits = Bits::default();
            (0..count).for_each(|_| bits.tables());
            bits.put(0, 3);
            bits.bytes
        };
        let (max, most) = (1 << 20, (BLOCK_WORK_BASE + BLOCK_WORK_PER_BYTE * (1 << 20)) / TABLES);
        let (outcome, work) = inflated(&tables(100), max);
        assert_eq!(outcome, Ok(0));
        assert!(work >= 98 * (TABLES - TABLES_PER_BYTE), "{work}");
        let all = tables(40_000);
        assert!(all.len() > 1 << 20, "as long as a message may be");
        let (outcome, work) = inflated(&all, max);
        assert_eq!(outcome, Err(InflateError::TooCostly));
        assert!(work <= (most + 2) * (TABLES + 64), "{work}");
    }

    #[test]
    fn empty_blocks_and_empty_messages_cost_something() {
        let mut bits = Bits::default();
        (0..1_000).for_each(|_| bits.put(0b010, 10));
        bits.put(0, 3);
        let (outcome, work) = inflated(&bits.bytes, 1 << 20);
        assert_eq!(outcome, Ok(0));
        assert!(work >= 1_000 * BLOCK, "{work}");
        let (outcome, work) = inflated(&[&[0, 0, 0, 0xff, 0xff].repeat(1_000)[..], &[0]].concat(), 1 << 20);
        assert_eq!(outcome, Ok(0));
        assert!(work >= 1_000 * BLOCK, "{work}");
        assert_eq!(inflated(&[0], 0), (Ok(0), MESSAGE + BLOCK + 1));
        // A message without context has nothing to copy; a message with context has all of it copied.
        let mut inflater = Inflater::new();
        assert_eq!(inflater.decompress(&[0], 0, &[7; 2048]), Ok(&[][..]));
        assert_eq!(inflater.work(), MESSAGE + BLOCK + 1 + 2048);
    }

    #[test]
    fn what_compressors_make_is_never_given_up_and_costs_little_more_than_its_bytes() {
        let text: Vec<u8> = (0..160_000_u32)
            .flat_map(|at| format!("{} ", at.wrapping_mul(at) % 9_973).into_bytes())
            .collect();
        let max = 512 << 10;
        for payload in [&text[..max], &noise(max), &vec![0; max], &text[..300], &noise(20)] {
            for level in [1, 6, 9] {
                let message = Deflater::new(level).compress(payload, 15, &[]).to_vec();
                let (outcome, work) = inflated(&message, max);
                assert_eq!(outcome, Ok(payload.len()));
                let bytes = payload.len() + message.len();
                assert!(work < bytes + bytes / 2 + TABLES + 1024, "{work} for {bytes} bytes");
            }
            // A compressor may flush at each of many fragments.
            let piece = payload.len().div_ceil(700);
            assert_eq!(inflated(&flushed(payload, piece), max).0, Ok(payload.len()));
        }
    }
}
