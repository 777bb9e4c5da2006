//! Messages decompressed (RFC 7692, section 7.2.2).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::TAIL;
use super::inflate_error::InflateError;
use super::work::{Block, CODED, Work};

/// The largest window (RFC 1951): nothing refers further back.
const WINDOW: usize = 1 << 15;
/// The least that the output grows by, in bytes.
const LEAST_ROOM: usize = 4 << 10;
/// Bytes of output that are kept at a trim.
const KEEP: usize = 64 << 10;
/// The least bytes of an empty stored block, as a flush leaves it, and more than any other block has with nothing in it.
const FLUSH_LEAST: usize = 4;
/// An empty block with BFINAL: behind a message that is whole, and nowhere else, it ends the stream.
const END: [u8; 2] = [0x03, 0x00];

/// Decompresses messages, one after the other. Nothing is kept in between: what a message may refer to is given with it.
///
/// It takes 47 KiB and the longest message lately: have one for many connections.
pub struct Inflater {
    stream: Inflate,
    /// The last message; what lies beyond it is of no meaning.
    out: Vec<u8>,
    work: Work,
}

impl Inflater {
    /// Makes the stream; the output comes with the messages.
    #[must_use]
    pub fn new() -> Self {
        // RFC 7692-7.2.2-6: the largest window, whatever was agreed on.
        Self { stream: Inflate::new(false, 15), out: Vec::new(), work: Work::default() }
    }

    /// Lends the bytes of a message, of which at most `max` come out: it stops there, whatever is still to come.
    /// `compressed` is the payload of all its frames, `context` what it may refer to before its own beginning: empty for a
    /// message that stands alone.
    ///
    /// # Errors
    /// See [`InflateError`].
    pub fn message(&mut self, compressed: &[u8], max: usize, context: &[u8]) -> Result<&[u8], InflateError> {
        self.work = Work::of_message(max);
        let len = self.decompress(compressed, max, context)?;
        Ok(&self.out[..len])
    }

    /// The first `len` bytes of what [`message`](Self::message) lent last.
    pub(crate) fn last(&self, len: usize) -> &[u8] {
        &self.out[..len]
    }

    /// What the last message has cost, whatever came of it, in bytes whose decompression takes as long.
    #[must_use]
    pub const fn work(&self) -> usize {
        self.work.done()
    }

    /// Fills the output and says how far.
    fn decompress(&mut self, compressed: &[u8], max: usize, context: &[u8]) -> Result<usize, InflateError> {
        let Self { stream, out, work } = self;
        let mut output = Output { bytes: out, end: 0, max };
        begin(stream, context, &[], work)?;
        let mut input = compressed;
        while output.blocks(stream, &mut input, work)? == Pass::Stream {
            // RFC 7692-7.2.3.4-1: behind a block with BFINAL another stream may begin, if only with the byte that is put there.
            if input.is_empty() {
                return Ok(output.end);
            }
            begin(stream, context, &output.bytes[..output.end], work)?;
        }
        // RFC 7692-7.2.2-1. The two ends are no bytes of the message's: after the first, the stream is between two blocks.
        let (mut tail, mut end) = (&TAIL[..], &END[..]);
        let after_tail = output.pass(stream, &mut tail, InflateFlush::SyncFlush)?;
        let len = output.end;
        let after_end = output.pass(stream, &mut end, InflateFlush::SyncFlush)?;
        match (after_tail, after_end, end) {
            (Pass::Input, Pass::Stream, []) if output.end == len => Ok(len),
            _ => Err(InflateError::Corrupt),
        }
    }

    /// Whether it keeps more memory than small messages need.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.out.len() > KEEP
    }

    /// Gives back what large messages took.
    pub fn trim(&mut self) {
        if self.is_holding() {
            self.out = Vec::new();
        }
    }
}

/// Begins a stream with what it may refer to: the end of `context` and `output`, one behind the other.
fn begin(stream: &mut Inflate, context: &[u8], output: &[u8], work: &mut Work) -> Result<(), InflateError> {
    let output = &output[output.len().saturating_sub(WINDOW)..];
    let context = &context[context.len().saturating_sub(WINDOW - output.len())..];
    work.add_stream(context.len() + output.len())?;
    stream.reset(false);
    let set = |stream: &mut Inflate, bytes: &[u8]| {
        // Only a stream that is under way refuses one.
        stream.set_dictionary(bytes).map(drop).map_err(|_| InflateError::Corrupt)
    };
    match (context, output) {
        ([], []) => Ok(()),
        (bytes, []) | ([], bytes) => set(stream, bytes),
        (context, output) => set(stream, &[context, output].concat()),
    }
}

/// Whether the block that begins there has no codes of its own: its second and third bit say so (RFC 1951, section 3.2.3).
fn is_without_codes(input: &[u8]) -> bool {
    input.first().is_none_or(|byte| byte >> 1 & 3 != 2)
}

/// What has come to its end in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// A block, with input behind it.
    Block,
    /// All of the input is done with.
    Input,
    /// A block with BFINAL; there may be input left.
    Stream,
}

/// Where the bytes of a message go.
struct Output<'o> {
    bytes: &'o mut Vec<u8>,
    /// Bytes of the message so far.
    end: usize,
    /// The most it may have.
    max: usize,
}

impl Output<'_> {
    /// Decompresses up to the end of the input, or of the stream in it, block by block, since what a block costs is not in its bytes.
    fn blocks(
        &mut self,
        stream: &mut Inflate,
        input: &mut &[u8],
        work: &mut Work,
    ) -> Result<Pass, InflateError> {
        let mut is_plain = is_without_codes(input);
        loop {
            let (end, left) = (self.end, input.len());
            let pass = self.pass(stream, input, InflateFlush::Block);
            work.add_block(&Block { compressed: left - input.len(), len: self.end - end, is_plain })?;
            // Only a stored block has so many bytes and none in it, and only it ends where a byte does.
            let is_flush = self.end == end && (FLUSH_LEAST..CODED).contains(&(left - input.len()));
            is_plain = is_flush && is_without_codes(input);
            match pass? {
                Pass::Block => {}
                // Where the last block is one with BFINAL, the stream's end is still to be told.
                Pass::Input => return self.pass(stream, input, InflateFlush::SyncFlush),
                Pass::Stream => return Ok(Pass::Stream),
            }
        }
    }

    /// Decompresses up to the end of the input, or of the stream in it, or of a block if that is asked for.
    fn pass(
        &mut self,
        stream: &mut Inflate,
        input: &mut &[u8],
        flush: InflateFlush,
    ) -> Result<Pass, InflateError> {
        loop {
            // One byte over the limit tells a message of the largest size from a larger one.
            let most = self.max.saturating_add(1);
            if self.bytes.len() < most && self.bytes.len() - self.end < LEAST_ROOM.min(most - self.end) {
                let wanted = self.end + (4 * input.len()).max(self.end).max(LEAST_ROOM);
                // No more than is asked for, where growth by the standard library would go over the limit.
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
                Status::StreamEnd => return Ok(Pass::Stream),
                // Room is left: there is nothing more to come out.
                Status::Ok | Status::BufError if self.end < limit => {
                    return match flush {
                        _ if input.is_empty() => Ok(Pass::Input),
                        InflateFlush::Block => Ok(Pass::Block),
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

/// Bytes of a slice.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ws::deflate::{Deflater, Windows};

    fn inflate(inflater: &mut Inflater, compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
        inflater.message(compressed, max, &[]).map(<[u8]>::to_vec)
    }

    /// The examples of RFC 7692, section 7.2.3, but the one that takes the context over.
    #[test]
    fn the_examples_of_the_standard() {
        let mut inflater = Inflater::new();
        for compressed in [
            // One block, with Huffman codes.
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            // A stored block.
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            // A block with BFINAL, and the byte behind it.
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
        // A reserved block type; stored lengths that disagree; a reference before the first byte, as a message with the context
        // taken over has it.
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
        let compressed = deflater.message(&payload, 15, &[]).to_vec();
        for end in 0..compressed.len() {
            let cut = inflate(&mut inflater, &compressed[..end], 1 << 20);
            assert_eq!(cut, Err(InflateError::Corrupt), "cut at {end} of {}", compressed.len());
        }
        assert_eq!(inflate(&mut inflater, &compressed, 1 << 20), Ok(payload));
    }

    /// What is put behind it must not end it: neither the tail nor the end of the stream are bytes of the message's.
    #[test]
    fn a_last_block_that_ends_in_what_is_put_behind_it_is_corrupt() {
        // Codes (RFC 1951, section 3.2.7) under which the block's own end is found three bits behind the tail.
        let unfinished =
            [0x05, 0xc0, 0xb1, 0x0d, 0x00, 0x30, 0x0c, 0xc3, 0xb0, 0x5b, 0x29, 0xb7, 0xff, 0xbf, 0x10, 0x02];
        assert_eq!(inflate(&mut Inflater::new(), &unfinished, 100), Err(InflateError::Corrupt));
    }

    #[test]
    fn a_bomb_takes_no_more_than_the_limit() {
        let bomb = Deflater::new(9).message(&vec![0; 50 << 20], 15, &[]).to_vec();
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
            let compressed = Deflater::new(1).message(&vec![7; len], 15, &[]).to_vec();
            assert_eq!(inflate(&mut inflater, &compressed, len), Ok(vec![7; len]));
            if len > 0 {
                assert_eq!(inflate(&mut inflater, &compressed, len - 1), Err(InflateError::TooBig), "{len}");
            }
        }
    }

    /// The example of RFC 7692, section 7.2.3.2, with the context taken over.
    #[test]
    fn a_message_may_refer_to_its_context_and_not_beyond() {
        let mut inflater = Inflater::new();
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflater.message(&again, 5, b"Hello"), Ok(&b"Hello"[..]));
        assert_eq!(inflater.message(&again, 5, b"ell"), Err(InflateError::Corrupt));
    }

    #[test]
    fn a_context_reaches_over_final_blocks() {
        let mut inflater = Inflater::new();
        // "Hello" in a block with BFINAL, then the same by reference.
        let twice =
            [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]].concat();
        assert_eq!(inflater.message(&twice, 10, b""), Ok(&b"HelloHello"[..]));
        assert_eq!(inflater.message(&twice, 10, b"before"), Ok(&b"HelloHello"[..]));
    }

    proptest! {
        /// One long stream at the other end, cut into messages at its flushes, as a peer with a stream of its own has it.
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
                // What they send.
                let mut sent = vec![0; payload.len() + 100];
                let before = theirs.total_out();
                theirs.compress(&payload, &mut sent, zlib_rs::DeflateFlush::SyncFlush).unwrap();
                sent.truncate(size(theirs.total_out() - before) - TAIL.len());
                let received = inflater.message(&sent, payload.len(), windows.received.bytes());
                prop_assert_eq!(received, Ok(&payload[..]));
                windows.received.push(&payload, bits);
                // What they get.
                let ours = [deflater.message(&payload, bits, windows.sent.bytes()), &TAIL].concat();
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
            if let Ok(message) = Inflater::new().message(&bytes, max, &context) {
                prop_assert!(message.len() <= max);
            }
        }
    }
}
