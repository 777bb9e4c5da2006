//! The decompression of messages (RFC 7692, section 7.2.2).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::TAIL;
use super::inflate_error::InflateError;
use super::work::{Block, MIN_DYNAMIC_BLOCK, Work};

/// The largest window in bytes (RFC 1951): no reference reaches further back.
const WINDOW: usize = 1 << 15;
/// The least bytes by which the output buffer grows.
const LEAST_ROOM: usize = 4 << 10;
/// The bytes of the output buffer that [`Inflater::trim`] keeps.
const KEEP: usize = 64 << 10;
/// The least compressed bytes of the empty stored block that a flush writes. An empty block with fixed codes has fewer.
const FLUSH_LEAST: usize = 4;
/// An empty block with BFINAL. It ends the stream behind a complete message, and only there.
const END: [u8; 2] = [0x03, 0x00];

/// Decompresses messages, one after the other. An inflater keeps no context in between: the caller passes it with each message.
///
/// An inflater takes 47 KiB and a buffer for the longest message since the last [`trim`](Self::trim): share one among many connections.
pub struct Inflater {
    stream: Inflate,
    /// The last message, followed by stale bytes.
    out: Vec<u8>,
    work: Work,
}

impl Inflater {
    /// Makes an inflater with an empty output buffer.
    #[must_use]
    pub fn new() -> Self {
        // RFC 7692-7.2.2-6: the largest window, whatever the agreement.
        Self { stream: Inflate::new(false, 15), out: Vec::new(), work: Work::default() }
    }

    /// Decompresses a message and returns its bytes. Decompression stops when the result exceeds `max` bytes. `compressed` is the payload
    /// of all the message's frames. `context` is the data before the message that it may refer to; it is empty for a message without
    /// context takeover.
    ///
    /// # Errors
    /// Returns an [`InflateError`] if the message is not valid, too big or too costly.
    pub fn decompress(
        &mut self,
        compressed: &[u8],
        max: usize,
        context: &[u8],
    ) -> Result<&[u8], InflateError> {
        self.work = Work::of_message(max);
        let len = self.decompress_to_output(compressed, max, context)?;
        Ok(&self.out[..len])
    }

    /// Returns the first `len` bytes of the output buffer, which holds the last message.
    pub(crate) fn output(&self, len: usize) -> &[u8] {
        &self.out[..len]
    }

    /// Returns the work of the last message, valid or not. The unit is the decompression of one byte.
    #[must_use]
    pub const fn work(&self) -> usize {
        self.work.done()
    }

    /// Decompresses a message into the output buffer and returns the number of bytes.
    fn decompress_to_output(
        &mut self,
        compressed: &[u8],
        max: usize,
        context: &[u8],
    ) -> Result<usize, InflateError> {
        let Self { stream, out, work } = self;
        let mut output = MessageOutput { bytes: out, end: 0, max };
        begin(stream, context, &[], work)?;
        let mut input = compressed;
        while output.blocks(stream, &mut input, work)? == PassEnd::Stream {
            // RFC 7692-7.2.3.4-1: another stream may begin behind a block with BFINAL, at least with the zero byte that the sender appends.
            if input.is_empty() {
                return Ok(output.end);
            }
            begin(stream, context, &output.bytes[..output.end], work)?;
        }
        // RFC 7692-7.2.2-1. The message must not end inside a block that `TAIL` or `END` completes: after `TAIL`, the stream must be
        // between two blocks.
        let (mut tail, mut end) = (&TAIL[..], &END[..]);
        let after_tail = output.pass(stream, &mut tail, InflateFlush::SyncFlush)?;
        let len = output.end;
        let after_end = output.pass(stream, &mut end, InflateFlush::SyncFlush)?;
        match (after_tail, after_end, end) {
            (PassEnd::Input, PassEnd::Stream, []) if output.end == len => Ok(len),
            _ => Err(InflateError::Corrupt),
        }
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

/// Begins a stream that may refer to the end of `context` followed by `output`.
fn begin(stream: &mut Inflate, context: &[u8], output: &[u8], work: &mut Work) -> Result<(), InflateError> {
    let output = &output[output.len().saturating_sub(WINDOW)..];
    let context = &context[context.len().saturating_sub(WINDOW - output.len())..];
    work.add_stream(context.len() + output.len())?;
    stream.reset(false);
    let set = |stream: &mut Inflate, bytes: &[u8]| {
        // Only a stream that has already begun refuses a dictionary.
        stream.set_dictionary(bytes).map(drop).map_err(|_| InflateError::Corrupt)
    };
    match (context, output) {
        ([], []) => Ok(()),
        (bytes, []) | ([], bytes) => set(stream, bytes),
        (context, output) => set(stream, &[context, output].concat()),
    }
}

/// Returns whether the block at the start of `input` has no dynamic codes, as its second and third bits show (RFC 1951, section 3.2.3).
fn has_no_dynamic_codes(input: &[u8]) -> bool {
    input.first().is_none_or(|byte| byte >> 1 & 3 != 2)
}

/// The reason why a pass ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PassEnd {
    /// A block has ended, and input is left.
    Block,
    /// All of the input is consumed.
    Input,
    /// A block with BFINAL has ended; input may be left.
    Stream,
}

/// The output of a message's decompression.
struct MessageOutput<'o> {
    bytes: &'o mut Vec<u8>,
    /// The decompressed bytes of the message so far.
    end: usize,
    /// The most decompressed bytes of the message.
    max: usize,
}

impl MessageOutput<'_> {
    /// Decompresses up to the end of the input or of the stream, block by block, to count the work of each block.
    fn blocks(
        &mut self,
        stream: &mut Inflate,
        input: &mut &[u8],
        work: &mut Work,
    ) -> Result<PassEnd, InflateError> {
        let mut lacks_dynamic_codes = has_no_dynamic_codes(input);
        loop {
            let (end, left) = (self.end, input.len());
            let pass = self.pass(stream, input, InflateFlush::Block);
            work.add_block(&Block {
                compressed: left - input.len(),
                len: self.end - end,
                lacks_dynamic_codes,
            })?;
            // Only a stored block has this many compressed bytes and no output, and it ends on a byte boundary, where the next header is
            // readable.
            let is_flush =
                self.end == end && (FLUSH_LEAST..MIN_DYNAMIC_BLOCK).contains(&(left - input.len()));
            lacks_dynamic_codes = is_flush && has_no_dynamic_codes(input);
            match pass? {
                PassEnd::Block => {}
                // If the last block has BFINAL, the library reports the end of the stream only in another pass.
                PassEnd::Input => return self.pass(stream, input, InflateFlush::SyncFlush),
                PassEnd::Stream => return Ok(PassEnd::Stream),
            }
        }
    }

    /// Decompresses up to the end of the input or of the stream, or of the next block if `flush` says so.
    fn pass(
        &mut self,
        stream: &mut Inflate,
        input: &mut &[u8],
        flush: InflateFlush,
    ) -> Result<PassEnd, InflateError> {
        loop {
            // One byte over the limit distinguishes a message of the largest size from a larger one.
            let most = self.max.saturating_add(1);
            if self.bytes.len() < most && self.bytes.len() - self.end < LEAST_ROOM.min(most - self.end) {
                let wanted = self.end + (4 * input.len()).max(self.end).max(LEAST_ROOM);
                // `reserve_exact`, because the standard library's growth could exceed the limit.
                self.bytes.reserve_exact(wanted.min(most) - self.bytes.len());
                self.bytes.resize(wanted.min(most), 0);
            }
            let limit = self.bytes.len().min(most);
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(input, &mut self.bytes[self.end..limit], flush);
            let status = status.map_err(|_| InflateError::Corrupt)?;
            self.end += size(stream.total_out() - written);
            *input = &input[size(stream.total_in() - read)..];
            if self.end > self.max {
                return Err(InflateError::TooBig);
            }
            match status {
                Status::StreamEnd => return Ok(PassEnd::Stream),
                // Room is left, so the decompressor has no more output.
                Status::Ok | Status::BufError if self.end < limit => {
                    return match flush {
                        _ if input.is_empty() => Ok(PassEnd::Input),
                        InflateFlush::Block => Ok(PassEnd::Block),
                        _ => Err(InflateError::Corrupt),
                    };
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
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
    use crate::ws::deflate::{Deflater, Windows};

    fn inflate(inflater: &mut Inflater, compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
        inflater.decompress(compressed, max, &[]).map(<[u8]>::to_vec)
    }

    /// Decompresses the examples of RFC 7692, section 7.2.3, except the one with context takeover.
    #[test]
    fn the_examples_of_the_standard() {
        let mut inflater = Inflater::new();
        for compressed in [
            // One block with Huffman codes.
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            // A stored block.
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            // A block with BFINAL, and the zero byte behind it.
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            // Two blocks.
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            // A block with BFINAL and nothing behind it.
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(
                inflate(&mut inflater, compressed, 5).as_deref(),
                Ok(&b"Hello"[..]),
                "{compressed:x?}"
            );
            assert_eq!(inflate(&mut inflater, compressed, 4), Err(InflateError::TooBig), "{compressed:x?}");
        }
        assert_eq!(inflate(&mut inflater, &[0x00], 0).as_deref(), Ok(&b""[..]));
        assert_eq!(inflate(&mut inflater, &[0x02, 0x00], 0).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn a_message_after_a_final_block_comes_back() {
        let twice = [[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]; 2].concat();
        assert_eq!(inflate(&mut Inflater::new(), &twice, 10).as_deref(), Ok(&b"HelloHello"[..]));
    }

    #[test]
    fn what_is_not_deflate_is_told_and_does_not_last() {
        let mut inflater = Inflater::new();
        // A reserved block type; stored lengths that disagree; a reference before the first byte, as in a message with context takeover.
        for bad in [&[0x07, 0x00][..], &[0x00, 0x05, 0x00, 0xfb, 0xff, 0x48], &[0xf2, 0x00, 0x11, 0x00, 0x00]]
        {
            assert_eq!(inflate(&mut inflater, bad, 100), Err(InflateError::Corrupt), "{bad:x?}");
            let good = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
            assert_eq!(inflate(&mut inflater, &good, 5).as_deref(), Ok(&b"Hello"[..]), "after {bad:x?}");
        }
    }

    #[test]
    fn a_message_that_ends_inside_a_block_is_corrupt() {
        let mut inflater = Inflater::new();
        let mut deflater = Deflater::new(6);
        let payload =
            b"a message whose compressed form is cut at every byte, a message whose compressed form"
                .repeat(3);
        let compressed = deflater.compress(&payload, 15, &[]).to_vec();
        for end in 0..compressed.len() {
            let cut = inflate(&mut inflater, &compressed[..end], 1 << 20);
            assert_eq!(cut, Err(InflateError::Corrupt), "cut at {end} of {}", compressed.len());
        }
        assert_eq!(inflate(&mut inflater, &compressed, 1 << 20), Ok(payload));
    }

    /// Checks that the appended bytes do not end an unfinished block: neither `TAIL` nor `END` belongs to the message.
    #[test]
    fn a_last_block_that_ends_in_what_is_put_behind_it_is_corrupt() {
        // A block with dynamic codes (RFC 1951, section 3.2.7) under which its end is found three bits behind the tail.
        let unfinished =
            [0x05, 0xc0, 0xb1, 0x0d, 0x00, 0x30, 0x0c, 0xc3, 0xb0, 0x5b, 0x29, 0xb7, 0xff, 0xbf, 0x10, 0x02];
        assert_eq!(inflate(&mut Inflater::new(), &unfinished, 100), Err(InflateError::Corrupt));
    }

    #[test]
    fn a_bomb_takes_no_more_than_the_limit() {
        let bomb = Deflater::new(9).compress(&vec![0; 50 << 20], 15, &[]).to_vec();
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let mut inflater = Inflater::new();
        assert_eq!(inflate(&mut inflater, &bomb, 1 << 20), Err(InflateError::TooBig));
        assert_eq!(inflater.out.capacity(), (1 << 20) + 1);
        inflater.trim();
        assert_eq!(inflater.out.capacity(), 0);
    }

    #[test]
    fn the_limit_is_a_byte_exact() {
        let mut inflater = Inflater::new();
        for len in [0, 1, 1_000, 4_095, 4_096, 4_097, 70_000] {
            let compressed = Deflater::new(1).compress(&vec![7; len], 15, &[]).to_vec();
            assert_eq!(inflate(&mut inflater, &compressed, len), Ok(vec![7; len]));
            if len > 0 {
                assert_eq!(inflate(&mut inflater, &compressed, len - 1), Err(InflateError::TooBig), "{len}");
            }
        }
    }

    /// Decompresses the example of RFC 7692, section 7.2.3.2, with context takeover.
    #[test]
    fn a_message_may_refer_to_its_context_and_not_beyond() {
        let mut inflater = Inflater::new();
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflater.decompress(&again, 5, b"Hello"), Ok(&b"Hello"[..]));
        assert_eq!(inflater.decompress(&again, 5, b"ell"), Err(InflateError::Corrupt));
    }

    #[test]
    fn a_context_reaches_over_final_blocks() {
        let mut inflater = Inflater::new();
        // "Hello" in a block with BFINAL, then "Hello" again as a reference.
        let twice =
            [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]].concat();
        assert_eq!(inflater.decompress(&twice, 10, b""), Ok(&b"HelloHello"[..]));
        assert_eq!(inflater.decompress(&twice, 10, b"before"), Ok(&b"HelloHello"[..]));
    }

    proptest! {
        /// The peer has one long stream, cut into messages at its flushes.
        #[test]
        fn messages_with_windows_are_one_stream(
            messages in prop::collection::vec(prop::collection::vec(0..4_u8, 1..1_500), 1..8),
            bits in 9..=12_u8,
            level in 1..=9_i32,
        ) {
            let mut theirs = zlib_rs::Deflate::new(level, false, bits);
            let mut back = zlib_rs::Inflate::new(false, 15);
            let (mut deflater, mut inflater) = (Deflater::new(level), Inflater::new());
            let mut windows = Windows::default();
            for payload in messages {
                // The peer sends a message.
                let mut sent = vec![0; payload.len() + 100];
                let before = theirs.total_out();
                theirs.compress(&payload, &mut sent, zlib_rs::DeflateFlush::SyncFlush).unwrap();
                sent.truncate(size(theirs.total_out() - before) - TAIL.len());
                let received = inflater.decompress(&sent, payload.len(), windows.received.bytes());
                prop_assert_eq!(received, Ok(&payload[..]));
                windows.received.push(&payload, bits);
                // The peer receives a message.
                let ours = [deflater.compress(&payload, bits, windows.sent.bytes()), &TAIL].concat();
                windows.sent.push(&payload, bits);
                let mut got = vec![0; payload.len() + 1];
                let before = back.total_out();
                back.decompress(&ours, &mut got, InflateFlush::SyncFlush).unwrap();
                got.truncate(size(back.total_out() - before));
                prop_assert_eq!(got, payload);
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_give_more_than_allowed(
            bytes in prop::collection::vec(any::<u8>(), 0..300), context in prop::collection::vec(any::<u8>(), 0..300), max in 0..5_000_usize,
        ) {
            if let Ok(message) = Inflater::new().decompress(&bytes, max, &context) {
                prop_assert!(message.len() <= max);
            }
        }
    }
}
