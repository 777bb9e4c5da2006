//! Messages decompressed (RFC 7692, section 7.2.2).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::TAIL;
use crate::ws::Buffers;

/// The least that the output grows by, in bytes.
const LEAST_ROOM: usize = 1 << 10;
/// The most, so that a message that turns out to be small takes little.
const MOST_ROOM: usize = 64 << 10;

/// Decompresses messages that stand alone, one after the other: nothing is kept in between.
///
/// It takes 47 KiB, whatever the messages: have one for many connections.
pub struct Inflater {
    stream: Inflate,
}

/// Why a message cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// It is not DEFLATE (RFC 1951), or refers to bytes before its first.
    Corrupt,
    /// It has more bytes than are allowed.
    TooBig,
    /// The caller's [`Buffers`] had no more memory to give.
    OutOfBuffers,
}

impl Inflater {
    /// Makes its only allocation.
    #[must_use]
    pub fn new() -> Self {
        Self { stream: Inflate::new(false, 15) }
    }

    /// Appends the bytes of a message, of which at most `max` come out, to `out`: it stops there, whatever is still to come.
    /// `compressed` is the payload of all its frames.
    ///
    /// # Errors
    /// See [`InflateError`]. What is in `out` then does not count.
    pub fn message(
        &mut self,
        compressed: &[u8],
        max: usize,
        out: &mut Vec<u8>,
        buffers: &mut impl Buffers,
    ) -> Result<(), InflateError> {
        let most = out.len().saturating_add(max);
        self.stream.reset(false);
        let mut input = compressed;
        loop {
            input = self.pass(input, most, out, buffers)?;
            if input.is_empty() {
                break;
            }
            // Behind a block with BFINAL another stream may begin (section 7.2.3.5), if only with the byte that section 7.2.3.4
            // puts there.
            self.stream.reset(false);
        }
        self.pass(&TAIL, most, out, buffers)?;
        Ok(())
    }

    /// Decompresses up to the end of the input or of the stream in it, and returns the rest.
    fn pass<'i>(
        &mut self,
        mut input: &'i [u8],
        most: usize,
        out: &mut Vec<u8>,
        buffers: &mut impl Buffers,
    ) -> Result<&'i [u8], InflateError> {
        loop {
            let start = out.len();
            // One byte over the limit tells a message of the largest size from a larger one.
            let room = (4 * input.len()).clamp(LEAST_ROOM, MOST_ROOM).min(most - start + 1);
            if !buffers.reserve(out, room) {
                return Err(InflateError::OutOfBuffers);
            }
            out.resize(start + room, 0);
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input, &mut out[start..], InflateFlush::SyncFlush);
            let status = status.map_err(|_| InflateError::Corrupt)?;
            let written = size(self.stream.total_out() - written);
            input = &input[size(self.stream.total_in() - read)..];
            out.truncate(start + written);
            if out.len() > most {
                return Err(InflateError::TooBig);
            }
            match status {
                Status::StreamEnd => return Ok(input),
                // Room is left: there is nothing more to come out.
                Status::Ok | Status::BufError if written < room => {
                    return if input.is_empty() { Ok(input) } else { Err(InflateError::Corrupt) };
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
    use super::*;
    use crate::ws::Heap;

    fn inflate(inflater: &mut Inflater, compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
        let mut out = Vec::new();
        inflater.message(compressed, max, &mut out, &mut Heap).map(|()| out)
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
    fn a_bomb_takes_no_more_than_the_limit() {
        struct Counting(usize);
        impl Buffers for Counting {
            fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
                self.0 = self.0.max(buffer.len() + additional);
                buffer.try_reserve(additional).is_ok()
            }
            fn recycle(&mut self, _: Vec<u8>) {}
        }
        let mut bomb = Vec::new();
        super::super::Deflater::new(9).message(&vec![0; 50 << 20], 15, &mut bomb);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let mut counting = Counting(0);
        let bombed = Inflater::new().message(&bomb, 1 << 20, &mut Vec::new(), &mut counting);
        assert_eq!((bombed, counting.0), (Err(InflateError::TooBig), (1 << 20) + 1));
    }

    #[test]
    fn refused_memory_is_told() {
        struct Refusing;
        impl Buffers for Refusing {
            fn reserve(&mut self, _: &mut Vec<u8>, _: usize) -> bool {
                false
            }
            fn recycle(&mut self, _: Vec<u8>) {}
        }
        let refused = Inflater::new().message(&[0xf2, 0x48], 10, &mut Vec::new(), &mut Refusing);
        assert_eq!(refused, Err(InflateError::OutOfBuffers));
    }
}
