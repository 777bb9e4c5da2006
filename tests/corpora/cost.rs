//! What input costs, whatever it is: never more than is charged for it, and never more than a few times its bytes of memory.
//!
//! The replay counts what is the same in every run: frames, bytes that move, blocks allocated, and the work that the inflater says it
//! has done. The fuzz target looks at the time as well.

use allocation_counter::measure;
use throng::ws::deflate::Inflater;
use throng::ws::{Buffers, Decoder, DecoderConfig, Role};

use super::input::{Input, cuts};

/// What an input was read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Frames,
    BrokenFrames,
    Inflated,
    Corrupt,
    /// Given up for what it would have cost.
    Costly,
    Request,
    NoRequest,
}

/// What came of an input, and what a worker charges for it: nanoseconds, roughly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) outcome: Outcome,
    pub(crate) charged: usize,
    /// Bytes that were moved from one buffer to another.
    moved: usize,
    /// The most that may be charged for any input like this.
    most: usize,
}

/// As in `src/budget.rs`.
const WORK_OF_READ: usize = 1024;
const WORK_OF_MESSAGE: usize = 64;
const BYTES_PER_WORK: usize = 16;
const WORK_OF_REQUEST: usize = 2 * 1024;
const WORK_PER_PARSED: usize = 4;
/// As in `src/ws/deflate/work.rs`: what setting up takes, all streams with all they may refer to, and blocks beside their bytes.
const INFLATER_LEAST: usize = 512 + 64 * (33 << 10) + (4 << 20);
const INFLATER_PER_BYTE: usize = 16;

/// Bytes allocated for each byte of an input, and beside them.
const ALLOCATED_PER_BYTE: u64 = 32;
/// The same for each byte that comes out of one, of which each is charged: a buffer that has just doubled is twice as long, and those
/// before it were as long together.
const ALLOCATED_PER_CHARGED: u64 = 4;
const ALLOCATED: u64 = 64 << 10;

/// An input is a byte that chooses who reads it, and what that takes: see the functions below.
pub(crate) fn check(input: &[u8]) -> Outcome {
    let mut cost = None;
    let taken = measure(|| cost = Some(read(input)));
    let cost = cost.expect("it was read");
    let most =
        ALLOCATED + ALLOCATED_PER_BYTE * input.len() as u64 + ALLOCATED_PER_CHARGED * cost.charged as u64;
    assert!(taken.bytes_total <= most, "{} bytes allocated, {most} at most: {cost:?}", taken.bytes_total);
    assert!(cost.moved <= 4 * input.len() + 1024, "{cost:?} of {} bytes", input.len());
    assert!(cost.charged <= cost.most, "{cost:?} of {} bytes", input.len());
    cost.outcome
}

/// Reads an input, and nothing else.
pub(crate) fn read(input: &[u8]) -> Cost {
    let mut input = Input::new(input);
    match input.byte() % 3 {
        0 => frames(input),
        1 => message(input),
        _ => request(input.rest()),
    }
}

/// A byte that chooses the pieces, one that says whether compression is agreed on, and a stream of frames.
fn frames(mut input: Input<'_>) -> Cost {
    let (pieces, choice) = (input.byte(), input.byte());
    let config = DecoderConfig {
        role: Role::Server,
        max_message: 1 << 20,
        max_frames: 4096,
        deflate: choice & 1 != 0,
    };
    let stream = input.rest();
    let (mut decoder, mut buffers) = (Decoder::default(), Doubling::default());
    let (mut start, mut charged, mut steps) = (0, 0, 0);
    let mut outcome = Outcome::Frames;
    'all: for end in cuts(pieces, stream.len()).into_iter().chain([stream.len()]) {
        let mut piece = stream[start..end].to_vec();
        start = end;
        charged += WORK_OF_READ;
        let mut at = 0;
        loop {
            steps += 1;
            let Ok(decoded) = decoder.decode(&mut piece[at..], &config, &mut buffers) else {
                outcome = Outcome::BrokenFrames;
                break 'all;
            };
            at += decoded.consumed;
            charged += WORK_OF_MESSAGE * decoded.frames + decoded.consumed / BYTES_PER_WORK;
            if decoded.event.is_none() {
                break;
            }
        }
    }
    decoder.clear(&mut buffers);
    let reads = cuts(pieces, stream.len()).len() + 1;
    // A client's frame has six bytes and more.
    let frames = stream.len() / 6 + 1;
    assert!(steps <= frames + reads, "{steps} calls for {frames} frames in {reads} pieces");
    let most = reads * WORK_OF_READ + frames * WORK_OF_MESSAGE + stream.len() / BYTES_PER_WORK;
    Cost { outcome, charged, moved: buffers.moved, most }
}

/// The most bytes in two bytes, the length of the context in one, the context, and a compressed message.
fn message(mut input: Input<'_>) -> Cost {
    let max = usize::from(input.short());
    let len = usize::from(input.byte());
    let context = input.take(len);
    let compressed = input.rest();
    let mut inflater = Inflater::new();
    let outcome = match inflater.decompress(compressed, max, context) {
        Ok(_) => Outcome::Inflated,
        Err(throng::ws::deflate::InflateError::TooCostly) => Outcome::Costly,
        Err(_) => Outcome::Corrupt,
    };
    let most = INFLATER_LEAST + INFLATER_PER_BYTE * (max + 1) + 2 * (max + 1) + 2 * compressed.len();
    Cost { outcome, charged: inflater.work(), moved: 0, most }
}

/// A text, as a client that speaks `throng.v1` sends it.
fn request(text: &[u8]) -> Cost {
    let text = String::from_utf8_lossy(text);
    let is_request = throng::simulation::reads_request(&text);
    let charged = WORK_OF_REQUEST + WORK_PER_PARSED * text.len();
    let outcome = if is_request { Outcome::Request } else { Outcome::NoRequest };
    Cost { outcome, charged, moved: 0, most: charged }
}

/// Buffers that double, as those of a worker do.
#[derive(Default)]
struct Doubling {
    moved: usize,
}

impl Buffers for Doubling {
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        let needed = buffer.len() + additional;
        if needed > buffer.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * buffer.capacity()));
            larger.extend_from_slice(buffer);
            self.moved += buffer.len();
            *buffer = larger;
        }
        true
    }

    fn recycle(&mut self, _: Vec<u8>) {}
}
