//! Messages compressed and decompressed, beside zlib: the C library, apart from the one that throng uses.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use throng::ws::deflate::{Deflater, InflateError, Inflater, Windows};

use super::input::Input;

/// What a message's last block ends in and does not travel (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// An empty block with BFINAL: only between two blocks does it end a stream.
const END: [u8; 2] = [0x03, 0x00];
/// The largest window (RFC 1951).
const WINDOW: usize = 1 << 15;

/// What an input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Inflated,
    Corrupt,
    TooBig,
    /// It would take more work than any message should.
    TooCostly,
    /// Messages went to zlib and came from it.
    RoundTrip,
}

/// An input is a byte that chooses what is tried, and what that takes: see [`received`] and [`sent`].
pub(crate) fn check(input: &[u8]) -> Outcome {
    let mut input = Input::new(input);
    let choice = input.byte();
    if choice & 1 == 0 {
        received(choice & 2 != 0, input)
    } else {
        sent(choice, input);
        Outcome::RoundTrip
    }
}

/// Any bytes as a compressed message: never more than the limit, and the same that zlib makes of them. The input is the limit
/// in two bytes, the length of the context in one, the context, which is repeated beyond the largest window if it is to be
/// `long`, and the message.
fn received(long: bool, mut input: Input<'_>) -> Outcome {
    let max = usize::from(input.short());
    let len = usize::from(input.byte());
    let mut context = input.take(len).to_vec();
    if long && !context.is_empty() {
        context = context.iter().copied().cycle().take(WINDOW + 1000).collect();
    }
    let compressed = input.rest();
    let mut inflater = Inflater::new();
    let ours = inflater.decompress(compressed, max, &context).map(<[u8]>::to_vec);
    let theirs = inflate(compressed, max, &context);
    assert!(ours == theirs || ours == Err(InflateError::TooCostly), "ours {ours:02x?}\ntheirs {theirs:02x?}");
    let again = inflater.decompress(compressed, max, &context).map(<[u8]>::to_vec);
    assert!(again == ours, "a message before makes a difference: {again:02x?}, first {ours:02x?}");
    match ours {
        Ok(message) => {
            assert!(message.len() <= max);
            Outcome::Inflated
        }
        Err(InflateError::Corrupt) => Outcome::Corrupt,
        Err(InflateError::TooBig) => Outcome::TooBig,
        Err(InflateError::TooCostly) => Outcome::TooCostly,
    }
}

/// The same with zlib: all of the output there is, up to a byte over the limit, in one piece.
fn inflate(compressed: &[u8], max: usize, context: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut output = context.to_vec();
    let mut room = vec![0; max + 1];
    let mut pass = |stream: &mut Decompress, input: &mut &[u8], output: &mut Vec<u8>| {
        let (read, written) = (stream.total_in(), stream.total_out());
        let left = max + 1 - (output.len() - context.len());
        let status = stream.decompress(input, &mut room[..left], FlushDecompress::Sync);
        *input = &input[count(stream.total_in() - read)..];
        output.extend_from_slice(&room[..count(stream.total_out() - written)]);
        let status = status.map_err(|_| InflateError::Corrupt)?;
        if output.len() - context.len() > max { Err(InflateError::TooBig) } else { Ok(status) }
    };
    let fresh = |output: &[u8]| {
        let mut stream = Decompress::new(false);
        let known = &output[output.len().saturating_sub(WINDOW)..];
        if !known.is_empty() {
            stream.set_dictionary(known).expect("a fresh stream takes what it may refer to");
        }
        stream
    };
    let (mut stream, mut input) = (fresh(&output), compressed);
    while pass(&mut stream, &mut input, &mut output)? == Status::StreamEnd {
        if input.is_empty() {
            return Ok(output.split_off(context.len()));
        }
        stream = fresh(&output);
    }
    let after_tail = pass(&mut stream, &mut &TAIL[..], &mut output)?;
    let (whole, mut end) = (output.len(), &END[..]);
    let after_end = pass(&mut stream, &mut end, &mut output)?;
    let ended = after_tail != Status::StreamEnd && after_end == Status::StreamEnd;
    if !ended || !end.is_empty() || output.len() != whole {
        return Err(InflateError::Corrupt);
    }
    Ok(output.split_off(context.len()))
}

/// Messages to and from a zlib that keeps one stream a direction for the whole connection. `choice` says whether
/// contexts are taken over and how often each message's bytes are repeated; the input is level and window in a byte each, and
/// messages with a byte of length before.
fn sent(choice: u8, mut input: Input<'_>) {
    let level = 1 + i32::from(input.byte() % 9);
    let bits = 9 + input.byte() % 7;
    let times = [1, 2, 4, 16][usize::from(choice >> 2 & 3)];
    let takeover = choice & 0x80 != 0;

    let (mut deflater, mut inflater, mut windows) =
        (Deflater::new(level), Inflater::new(), Windows::default());
    // A client with just the window that was agreed on.
    let mut theirs = (
        Decompress::new_with_window_bits(false, bits),
        Compress::new_with_window_bits(Compression::new(level.unsigned_abs()), false, bits),
    );
    while !input.rest().is_empty() {
        let len = usize::from(input.byte());
        let payload = input.take(len).repeat(times);
        if !takeover {
            theirs.0.reset(false);
            theirs.1.reset();
        }

        let compressed = deflater.compress(&payload, bits, windows.sent.bytes()).to_vec();
        assert_eq!(
            inflate_slowly(&mut theirs.0, &[&compressed, &TAIL[..]].concat()),
            payload,
            "{bits} bits, level {level}"
        );
        let back = inflater.decompress(&compressed, payload.len(), windows.sent.bytes());
        assert_eq!(back, Ok(&payload[..]));

        // Nothing new is nothing to flush to zlib: then the empty block is its caller's.
        let compressed =
            if payload.is_empty() { [&[0][..], &TAIL].concat() } else { compress(&mut theirs.1, &payload) };
        let message = compressed.strip_suffix(&TAIL).expect("a flush ends in an empty block");
        let back = inflater.decompress(message, payload.len(), windows.received.bytes());
        assert_eq!(back, Ok(&payload[..]), "{bits} bits, level {level}");
        if let Some(less) = payload.len().checked_sub(1) {
            assert_eq!(
                inflater.decompress(message, less, windows.received.bytes()),
                Err(InflateError::TooBig)
            );
        }

        if takeover {
            windows.sent.push(&payload, bits);
            windows.received.push(&payload, bits);
            assert!(windows.capacity() <= 2 << bits, "{} bytes", windows.capacity());
        }
    }
}

/// Decompresses a byte at a time: then zlib finds in its window alone what is referred to, not in the output's.
fn inflate_slowly(stream: &mut Decompress, input: &[u8]) -> Vec<u8> {
    let (mut output, mut at) = (Vec::new(), 0);
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let mut byte = [0];
        let status = stream.decompress(&input[at..], &mut byte, FlushDecompress::Sync);
        assert!(matches!(status, Ok(Status::Ok | Status::BufError)), "{status:?} at {at}");
        at += count(stream.total_in() - read);
        if stream.total_out() > written {
            output.push(byte[0]);
        } else if stream.total_in() == read {
            assert_eq!(at, input.len(), "all of the input is done with");
            return output;
        }
    }
}

fn compress(stream: &mut Compress, payload: &[u8]) -> Vec<u8> {
    let mut output = vec![0; payload.len() * 2 + 100];
    let (read, written) = (stream.total_in(), stream.total_out());
    stream.compress(payload, &mut output, FlushCompress::Sync).expect("a stream under way");
    assert_eq!(count(stream.total_in() - read), payload.len());
    output.truncate(count(stream.total_out() - written));
    output
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).expect("bytes of a slice")
}
