//! Output of the connection at hand: frames of its own, and messages that go back from where they were received.

use std::io::IoSlice;
use std::ops::Range;

use crate::base::lazy_buffer::LazyBuffer;
use crate::base::pool::Pool;
use crate::budget::{REPLY_FLUSH, REPLY_FLUSH_LEAST, REPLY_KEEP, SLICES_PER_WRITE};
use crate::ws::encode::{self, HeaderBytes};
use crate::ws::{Buffers, CloseCode, Opcode, UnfragmentedMessage};

/// Pieces of a reply that are not in its own buffer, at most.
const MOST_ECHOED: usize = 20;

// Each may take three slices, itself with its header and what goes before it, and one follows the last. The last message may add two of
// them, the first of which has no header of its own.
const _: () = assert!(3 * (MOST_ECHOED + 1) <= SLICES_PER_WRITE);

/// Output of the connection at hand. It is a part of the [receive buffer](super::receive::ReceiveBuffer), whose `memory` its functions are given.
///
/// Frames of the handler's are in `bytes`. Messages that go back as they came are where they were received, or in buffers of the pool's. In
/// the memory, deferred replies end where `deferred_end` says, and from there on to `echo_end` are frames that go back; those from `run_start`
/// on are not yet in the list `echoed`.
#[derive(Debug)]
pub(in crate::worker) struct Reply {
    /// Frames in their wire form.
    pub(in crate::worker) bytes: Vec<u8>,
    /// Messages in all of the reply.
    pub(in crate::worker) messages: u64,
    /// The handler's wish to close.
    pub(in crate::worker) close: Option<(CloseCode, Box<str>)>,
    /// Where the deferred replies of other connections end.
    deferred_end: usize,
    /// Where frames that go back end, behind the deferred replies; input is behind them.
    echo_end: usize,
    /// Where the last of them begin that have nothing between them, and how many bytes of the reply's own go before those.
    run_start: usize,
    run_behind: usize,
    /// What goes back as it came before those, in order.
    echoed: Vec<Echoed>,
    /// Bytes of frames of messages that go back, the one at hand included.
    echoed_bytes: usize,
    /// The handler wants the message at hand to be the next of them.
    echo: Option<Echo>,
    /// Bytes from which on the reply should leave.
    flush_at: usize,
}

/// A message that is to go back as it came.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct Echo {
    opcode: Opcode,
    /// How many bytes of the reply's own go before it.
    behind: usize,
}

#[derive(Debug)]
struct Echoed {
    behind: usize,
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    /// One or more, there in the memory.
    InPlace(Range<usize>),
    /// One, in a buffer of the pool's.
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
    /// For connections whose outbox holds so many bytes, and where messages have so many at most.
    pub(in crate::worker) fn new(outbox: usize, max_message: usize) -> Self {
        Self {
            bytes: Vec::new(),
            messages: 0,
            close: None,
            deferred_end: 0,
            echo_end: 0,
            run_start: 0,
            run_behind: 0,
            echoed: Vec::new(),
            echoed_bytes: 0,
            echo: None,
            // A handler that answers each message with one as long must not meet a full outbox because of what waits here; nor one that
            // answers with little, whatever the limits are.
            flush_at: (outbox.saturating_sub(max_message) / 2)
                .clamp(REPLY_FLUSH_LEAST, REPLY_FLUSH)
                .min(outbox / 2),
        }
    }

    /// Bytes to be written.
    #[inline]
    pub(in crate::worker) const fn len(&self) -> usize {
        self.bytes.len() + self.echoed_bytes
    }

    /// Whether all of it is in `bytes`.
    pub(in crate::worker) const fn is_plain(&self) -> bool {
        self.echoed.is_empty() && self.run_start == self.echo_end
    }

    /// Whether it should be written before there is more of it.
    #[inline]
    pub(in crate::worker) const fn is_full(&self) -> bool {
        self.len() >= self.flush_at || self.echoed.len() >= MOST_ECHOED
    }

    /// Whether it should be written before another message is looked at.
    #[inline]
    pub(in crate::worker) const fn must_leave(&self) -> bool {
        self.close.is_some() || self.is_full()
    }

    /// From where on the memory is free, unless there is input.
    #[inline]
    pub(in crate::worker) const fn echo_end(&self) -> usize {
        self.echo_end
    }

    /// Has the message at hand, of `len` bytes, go back as it is. It counts from now on; where it lies is told afterwards.
    #[inline]
    pub(in crate::worker) const fn echo(&mut self, opcode: Opcode, len: usize) {
        debug_assert!(self.echo.is_none());
        self.echoed_bytes += encode::frame_len(len);
        self.echo = Some(Echo { opcode, behind: self.bytes.len() });
    }

    /// What [`echo`](Self::echo) was called for.
    #[inline]
    pub(in crate::worker) const fn take_echo(&mut self) -> Option<Echo> {
        self.echo.take()
    }

    /// The message lies behind what goes back before it and room for its header.
    #[inline(always)]
    pub(in crate::worker) fn echo_in_place(
        &mut self,
        message: Echo,
        memory: &mut [u8],
        parsed: &UnfragmentedMessage,
    ) {
        let Echo { opcode, behind } = message;
        if behind != self.run_behind {
            self.end_run();
            self.run_behind = behind;
        }
        encode::header_in_place(&mut memory[self.echo_end..], opcode, parsed.len);
        self.echo_end += parsed.header_len + parsed.len;
    }

    /// What goes back in one piece so far is followed by something else.
    fn end_run(&mut self) {
        if self.run_start < self.echo_end {
            let frames = Frames::InPlace(self.run_start..self.echo_end);
            self.echoed.push(Echoed { behind: self.run_behind, frames });
            self.run_start = self.echo_end;
        }
    }

    /// The message is all of `payload`, a buffer of the pool's.
    pub(in crate::worker) fn echo_buffer(&mut self, message: Echo, payload: Vec<u8>) {
        let Echo { opcode, behind } = message;
        let frame = encode::server_header(opcode, payload.len());
        self.end_run();
        self.run_behind = behind;
        self.echoed.push(Echoed { behind, frames: Frames::Buffer(encode::header(&frame), payload) });
    }

    /// All of it, if it is messages that go back and nothing else.
    #[inline]
    pub(in crate::worker) fn sole_piece(&self) -> Option<Range<usize>> {
        self.is_one_piece().then_some(self.run_start..self.echo_end)
    }

    /// Whether all of it is one piece of the memory.
    #[inline]
    const fn is_one_piece(&self) -> bool {
        self.echoed.is_empty() && self.bytes.is_empty()
    }

    /// Leaves all of it in the memory, where no input is any more, says where, and is empty then. `None` when it is more than one
    /// piece; it stays as it is.
    #[inline]
    pub(in crate::worker) fn defer(&mut self, memory: &mut LazyBuffer) -> Option<Range<usize>> {
        if self.is_plain() {
            let end = self.echo_end + self.bytes.len();
            memory.bytes_mut()[self.echo_end..end].copy_from_slice(&self.bytes);
            memory.note(end);
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

    /// No reply is deferred any more.
    pub(in crate::worker) fn end_deferring(&mut self) {
        debug_assert!(self.len() == 0 && self.echo_end == self.deferred_end, "a reply is under way");
        self.deferred_end = 0;
        self.begin_run();
    }

    /// Nothing is in the memory but deferred replies.
    #[inline]
    const fn begin_run(&mut self) {
        (self.echo_end, self.run_start, self.run_behind) = (self.deferred_end, self.deferred_end, 0);
    }

    /// Lends all of it as slices to write, and returns how many it filled in.
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
        for Echoed { behind, frames } in &self.echoed {
            add(&self.bytes[at..*behind]);
            at = *behind;
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

    /// Hands out all of it, one piece after the other, and is empty then.
    pub(in crate::worker) fn drain(&mut self, memory: &[u8], mut take: impl FnMut(Piece<'_>)) {
        self.end_run();
        let mut at = 0;
        for Echoed { behind, frames } in self.echoed.drain(..) {
            take(Piece::Bytes(&self.bytes[at..behind]));
            at = behind;
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

    /// A copy of all of it in one piece.
    pub(in crate::worker) fn flatten(&mut self, memory: &[u8]) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = self.slices(memory, &mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Forgets everything.
    pub(in crate::worker) fn clear(&mut self, pool: &mut Pool) {
        self.finish_writing(pool);
        self.messages = 0;
        self.close = None;
        self.echo = None;
    }

    /// Forgets what there is to write.
    pub(in crate::worker) fn finish_writing(&mut self, pool: &mut Pool) {
        for Echoed { frames, .. } in self.echoed.drain(..) {
            if let Frames::Buffer(_, payload) = frames {
                pool.recycle(payload);
            }
        }
        self.empty();
    }

    /// What is left after all of it was written or handed out.
    fn empty(&mut self) {
        self.begin_run();
        self.echoed_bytes = 0;
        let bytes = std::mem::take(&mut self.bytes);
        self.reuse(bytes);
    }

    /// Takes a buffer back whose frames have been written, no larger than is worth keeping.
    pub(in crate::worker) fn reuse(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        if bytes.capacity() > REPLY_KEEP {
            bytes.shrink_to(REPLY_KEEP);
        }
        self.bytes = bytes;
    }
}
