//! Output of the current connection: frames in a buffer of its own, and messages that are echoed from where they were received.

use std::io::IoSlice;
use std::ops::Range;

use crate::base::lazy_buffer::LazyBuffer;
use crate::base::pool::Pool;
use crate::budget::{REPLY_FLUSH, REPLY_FLUSH_LEAST, REPLY_KEEP, SLICES_PER_WRITE};
use crate::ws::encode::{self, HeaderBytes};
use crate::ws::{Buffers, CloseCode, Opcode, UnfragmentedMessage};

/// The most pieces of a reply that are not in its own buffer.
const MOST_ECHOED: usize = 20;

// Each piece takes up to three slices: the bytes that precede it, its header and its payload. One slice follows the last piece. The last
// message may add two pieces, the first of which has no header of its own.
const _: () = assert!(3 * (MOST_ECHOED + 1) <= SLICES_PER_WRITE);

/// Output of the current connection. It is a part of the [receive buffer](super::receive::ReceiveBuffer), whose `memory` the functions get
/// as an argument.
///
/// Frames that the handler sends are in `bytes`. Echoed messages are where they were received, or in buffers of the pool. In the memory,
/// deferred replies end at `deferred_end`, and frames of echoed messages follow up to `echo_end`; those from `run_start` on are not yet in
/// the list `echoed`.
#[derive(Debug)]
pub(in crate::worker) struct Reply {
    /// Frames in their wire form.
    pub(in crate::worker) bytes: Vec<u8>,
    /// Number of messages in the whole reply.
    pub(in crate::worker) messages: u64,
    /// The close that the handler has asked for.
    pub(in crate::worker) close: Option<(CloseCode, Box<str>)>,
    /// Position where the deferred replies of other connections end.
    deferred_end: usize,
    /// Position where frames of echoed messages end. Input follows.
    echo_end: usize,
    /// Position where the current run begins: echoed frames that are contiguous in the memory and in the output. `bytes_before_run` is the
    /// number of bytes of `bytes` that precede the run in the output.
    run_start: usize,
    bytes_before_run: usize,
    /// Echoed messages before the current run, in order.
    echoed: Vec<Echoed>,
    /// Size of the frames of echoed messages, the current one included, in bytes.
    echoed_bytes: usize,
    /// Set when the handler sends the current message back.
    echo: Option<Echo>,
    /// Length from which on the reply should be written, in bytes.
    flush_at: usize,
}

/// A message that is to be echoed.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct Echo {
    opcode: Opcode,
    /// Number of bytes of the reply's `bytes` that precede the message in the output.
    bytes_before: usize,
}

#[derive(Debug)]
struct Echoed {
    bytes_before: usize,
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    /// One or more frames in this range of the memory.
    InPlace(Range<usize>),
    /// One frame: its header, and its payload in a buffer of the pool.
    Buffer(HeaderBytes, Vec<u8>),
}

/// A piece of a reply, in the order of writing.
pub(in crate::worker) enum Piece<'a> {
    Bytes(&'a [u8]),
    Buffer(Vec<u8>),
}

impl Piece<'_> {
    pub(in crate::worker) const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Buffer(buffer) => buffer.len(),
        }
    }
}

impl Reply {
    /// Makes a reply for connections with outboxes of `outbox` bytes, and messages of at most `max_message` bytes.
    pub(in crate::worker) fn new(outbox: usize, max_message: usize) -> Self {
        Self {
            bytes: Vec::new(),
            messages: 0,
            close: None,
            deferred_end: 0,
            echo_end: 0,
            run_start: 0,
            bytes_before_run: 0,
            echoed: Vec::new(),
            echoed_bytes: 0,
            echo: None,
            // Replies that wait here count against the outbox limit. They are written early enough that a handler that answers each
            // message with one of the same length, or with a short one, does not find the outbox full because of them.
            flush_at: (outbox.saturating_sub(max_message) / 2)
                .clamp(REPLY_FLUSH_LEAST, REPLY_FLUSH)
                .min(outbox / 2),
        }
    }

    /// Returns the number of bytes to be written.
    #[inline]
    pub(in crate::worker) const fn len(&self) -> usize {
        self.bytes.len() + self.echoed_bytes
    }

    /// Returns whether the whole reply is in `bytes`.
    pub(in crate::worker) const fn has_no_echoes(&self) -> bool {
        self.echoed.is_empty() && self.run_start == self.echo_end
    }

    /// Returns whether the reply should be written before it grows.
    #[inline]
    pub(in crate::worker) const fn is_full(&self) -> bool {
        self.len() >= self.flush_at || self.echoed.len() >= MOST_ECHOED
    }

    /// Returns whether the reply should be written before another message is handled.
    #[inline]
    pub(in crate::worker) const fn must_flush(&self) -> bool {
        self.close.is_some() || self.is_full()
    }

    /// Returns the position from which on the memory is free, unless it holds input.
    #[inline]
    pub(in crate::worker) const fn echo_end(&self) -> usize {
        self.echo_end
    }

    /// Echoes the current message, of `len` bytes. It counts from now on; [`echo_in_place`](Self::echo_in_place) or
    /// [`echo_buffer`](Self::echo_buffer) says later where it is.
    #[inline]
    pub(in crate::worker) const fn echo(&mut self, opcode: Opcode, len: usize) {
        debug_assert!(self.echo.is_none());
        self.echoed_bytes += encode::frame_len(len);
        self.echo = Some(Echo { opcode, bytes_before: self.bytes.len() });
    }

    /// Takes the message for which [`echo`](Self::echo) was called.
    #[inline]
    pub(in crate::worker) const fn take_echo(&mut self) -> Option<Echo> {
        self.echo.take()
    }

    /// Adds an echoed message that is in the memory, behind earlier ones and room for its header.
    #[inline(always)]
    pub(in crate::worker) fn echo_in_place(
        &mut self,
        message: Echo,
        memory: &mut [u8],
        parsed: &UnfragmentedMessage,
    ) {
        let Echo { opcode, bytes_before } = message;
        if bytes_before != self.bytes_before_run {
            self.end_run();
            self.bytes_before_run = bytes_before;
        }
        encode::header_in_place(&mut memory[self.echo_end..], opcode, parsed.len);
        self.echo_end += parsed.header_len + parsed.len;
    }

    /// Ends the current run, because other output follows it.
    fn end_run(&mut self) {
        if self.run_start < self.echo_end {
            let frames = Frames::InPlace(self.run_start..self.echo_end);
            self.echoed.push(Echoed { bytes_before: self.bytes_before_run, frames });
            self.run_start = self.echo_end;
        }
    }

    /// Adds an echoed message whose payload is all of a buffer of the pool.
    pub(in crate::worker) fn echo_buffer(&mut self, message: Echo, payload: Vec<u8>) {
        let Echo { opcode, bytes_before } = message;
        let frame = encode::server_header(opcode, payload.len());
        self.end_run();
        self.bytes_before_run = bytes_before;
        self.echoed.push(Echoed { bytes_before, frames: Frames::Buffer(encode::header(&frame), payload) });
    }

    /// Returns the range of the whole reply, if it consists of one run of echoed messages.
    #[inline]
    pub(in crate::worker) fn sole_piece(&self) -> Option<Range<usize>> {
        self.is_one_piece().then_some(self.run_start..self.echo_end)
    }

    /// Returns whether the whole reply is one range of the memory.
    #[inline]
    const fn is_one_piece(&self) -> bool {
        self.echoed.is_empty() && self.bytes.is_empty()
    }

    /// Leaves the whole reply in the memory, which must hold no input, and returns its range. The reply is empty afterwards. Returns
    /// `None`, and changes nothing, when the reply is in several pieces.
    #[inline]
    pub(in crate::worker) fn defer(&mut self, memory: &mut LazyBuffer) -> Option<Range<usize>> {
        if self.has_no_echoes() {
            let end = self.echo_end + self.bytes.len();
            memory.bytes_mut()[self.echo_end..end].copy_from_slice(&self.bytes);
            memory.note_used(end);
            self.bytes.clear();
            self.echo_end = end;
        } else if !self.is_one_piece() {
            return None;
        }
        let at = self.run_start..self.echo_end;
        self.deferred_end = self.echo_end;
        self.begin_run();
        self.echoed_bytes = 0;
        Some(at)
    }

    /// Notes that no reply is deferred any more.
    pub(in crate::worker) fn end_deferring(&mut self) {
        debug_assert!(self.len() == 0 && self.echo_end == self.deferred_end, "a reply is under way");
        self.deferred_end = 0;
        self.begin_run();
    }

    /// Forgets all echoed messages in the memory, and keeps deferred replies.
    #[inline]
    const fn begin_run(&mut self) {
        (self.echo_end, self.run_start, self.bytes_before_run) = (self.deferred_end, self.deferred_end, 0);
    }

    /// Fills `slices` with the whole reply, and returns how many it filled.
    pub(in crate::worker) fn slices<'a>(
        &'a mut self,
        memory: &'a [u8],
        slices: &mut [IoSlice<'a>; SLICES_PER_WRITE],
    ) -> usize {
        self.end_run();
        let mut filled = 0;
        let mut add = |bytes: &'a [u8]| {
            if !bytes.is_empty() {
                slices[filled] = IoSlice::new(bytes);
                filled += 1;
            }
        };
        let mut at = 0;
        for Echoed { bytes_before, frames } in &self.echoed {
            add(&self.bytes[at..*bytes_before]);
            at = *bytes_before;
            match frames {
                Frames::InPlace(range) => add(&memory[range.clone()]),
                Frames::Buffer(header, payload) => {
                    add(header.as_ref());
                    add(payload);
                }
            }
        }
        add(&self.bytes[at..]);
        filled
    }

    /// Passes each piece of the reply to `take`, in order. The reply is empty afterwards.
    pub(in crate::worker) fn drain(&mut self, memory: &[u8], mut take: impl FnMut(Piece<'_>)) {
        self.end_run();
        let mut at = 0;
        for Echoed { bytes_before, frames } in self.echoed.drain(..) {
            take(Piece::Bytes(&self.bytes[at..bytes_before]));
            at = bytes_before;
            match frames {
                Frames::InPlace(range) => take(Piece::Bytes(&memory[range])),
                Frames::Buffer(header, payload) => {
                    take(Piece::Bytes(header.as_ref()));
                    take(Piece::Buffer(payload));
                }
            }
        }
        take(Piece::Bytes(&self.bytes[at..]));
        self.empty();
    }

    /// Returns a copy of the whole reply in one piece.
    pub(in crate::worker) fn flatten(&mut self, memory: &[u8]) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = self.slices(memory, &mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Discards the output and the handler's requests.
    pub(in crate::worker) fn clear(&mut self, pool: &mut Pool) {
        self.clear_output(pool);
        self.messages = 0;
        self.close = None;
        self.echo = None;
    }

    /// Discards output that was written or queued.
    pub(in crate::worker) fn clear_output(&mut self, pool: &mut Pool) {
        for Echoed { frames, .. } in self.echoed.drain(..) {
            if let Frames::Buffer(_, payload) = frames {
                pool.recycle(payload);
            }
        }
        self.empty();
    }

    /// Makes the reply empty, after all of it was written or passed on.
    fn empty(&mut self) {
        self.begin_run();
        self.echoed_bytes = 0;
        let bytes = std::mem::take(&mut self.bytes);
        self.reuse(bytes);
    }

    /// Takes back a buffer whose frames have been written, and limits its capacity.
    pub(in crate::worker) fn reuse(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        if bytes.capacity() > REPLY_KEEP {
            bytes.shrink_to(REPLY_KEEP);
        }
        self.bytes = bytes;
    }
}
