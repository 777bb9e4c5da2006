//! What a worker gathers while it deals with one connection's input: frames, and messages that go back as they came.
//!
//! A server's frame is four bytes shorter than a client's. A message that is whole in the input is therefore moved down where it was
//! received, as it is unmasked, behind what has been moved before and room for a server's header. When its handler sends it back
//! unchanged, it lies where it has to, so that the echoes of many messages leave as one piece of the memory that they were received in.
//! What a handler sends otherwise is in a buffer of its own, in between.

use std::io::IoSlice;
use std::ops::Range;

use super::write::reusable;
use crate::base::lazy_buffer::LazyBuffer;
use crate::base::pool::Pool;
use crate::budget::{REPLY_FLUSH, REPLY_FLUSH_LEAST, SLICES_PER_WRITE};
use crate::ws::encode::{self, HeaderBytes};
use crate::ws::{Buffers, CloseCode, Opcode, Whole};

/// Pieces of a reply that are not in its own buffer, at most.
const MOST_RETURNED: usize = 20;

// Each may take three slices, itself with its header and what goes before it, and one follows the last. The last message may add two of
// them, the first of which has no header of its own.
const _: () = assert!(3 * (MOST_RETURNED + 1) <= SLICES_PER_WRITE);

/// Output of the connection at hand; empty between connections. Where a landing is asked for, it is the worker's one, in which input is
/// received as well.
#[derive(Debug)]
pub(super) struct Reply {
    /// Frames in their wire form.
    pub(super) bytes: Vec<u8>,
    /// Messages in all of the reply.
    pub(super) messages: u64,
    /// The handler's wish to close.
    pub(super) close: Option<(CloseCode, Box<str>)>,
    /// Bytes of the landing that are held replies of other connections.
    aside: usize,
    /// Where frames that go back end in the landing, behind what is set aside; input is behind them.
    landed: usize,
    /// Where the last of them begin that have nothing between them, and how many bytes of the reply's own go before those.
    run_start: usize,
    run_behind: usize,
    /// What goes back as it came before those, in order.
    returned: Vec<Returned>,
    /// Bytes of frames of messages that go back, the one at hand included.
    returned_bytes: usize,
    /// The handler wants the message at hand to be the next of them.
    returning: Option<Returning>,
    /// Bytes from which on the reply should leave.
    flush_at: usize,
}

/// A message that is to go back as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returning {
    opcode: Opcode,
    /// How many bytes of the reply's own go before it.
    behind: usize,
}

#[derive(Debug)]
struct Returned {
    behind: usize,
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    /// One or more, there in the landing.
    Landed(Range<usize>),
    /// One, in a buffer of the pool's.
    Taken(HeaderBytes, Vec<u8>),
}

/// A piece of a reply, in the order of writing.
pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    Taken(Vec<u8>),
}

impl Piece<'_> {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Taken(buffer) => buffer.len(),
        }
    }
}

impl Reply {
    /// For connections whose outbox holds so many bytes, and where messages have so many at most.
    pub(super) fn new(outbox: usize, max_message: usize) -> Self {
        Self {
            bytes: Vec::new(),
            messages: 0,
            close: None,
            aside: 0,
            landed: 0,
            run_start: 0,
            run_behind: 0,
            returned: Vec::new(),
            returned_bytes: 0,
            returning: None,
            // A handler that answers each message with one as long must not meet a full outbox because of what waits here; nor one that
            // answers with little, whatever the limits are.
            flush_at: (outbox.saturating_sub(max_message) / 2)
                .clamp(REPLY_FLUSH_LEAST, REPLY_FLUSH)
                .min(outbox / 2),
        }
    }

    /// Bytes to be written.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.bytes.len() + self.returned_bytes
    }

    /// Whether all of it is in `bytes`.
    pub(super) const fn is_plain(&self) -> bool {
        self.returned.is_empty() && self.run_start == self.landed
    }

    /// Whether it should be written before there is more of it.
    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len() >= self.flush_at || self.returned.len() >= MOST_RETURNED
    }

    /// Whether it should be written before another message is looked at.
    #[inline]
    pub(super) const fn must_leave(&self) -> bool {
        self.close.is_some() || self.is_full()
    }

    /// From where on the landing is free, unless there is input.
    #[inline]
    pub(super) const fn landed(&self) -> usize {
        self.landed
    }

    /// Has the message at hand, of `len` bytes, go back as it is. It counts from now on; where it lies is told afterwards.
    #[inline]
    pub(super) const fn give_back(&mut self, opcode: Opcode, len: usize) {
        debug_assert!(self.returning.is_none());
        self.returned_bytes += encode::frame_len(len, false);
        self.returning = Some(Returning { opcode, behind: self.bytes.len() });
    }

    /// What [`give_back`](Self::give_back) was called for.
    #[inline]
    pub(super) const fn take_returning(&mut self) -> Option<Returning> {
        self.returning.take()
    }

    /// The message lies in the landing behind what had landed before and room for its header.
    #[inline(always)]
    pub(super) fn return_landed(&mut self, message: Returning, landing: &mut [u8], whole: &Whole) {
        let Returning { opcode, behind } = message;
        if behind != self.run_behind {
            self.end_run();
            self.run_behind = behind;
        }
        encode::header_in_place(&mut landing[self.landed..], opcode, whole.len);
        self.landed += whole.header_len + whole.len;
    }

    /// What has landed so far is followed by something else.
    fn end_run(&mut self) {
        if self.run_start < self.landed {
            let frames = Frames::Landed(self.run_start..self.landed);
            self.returned.push(Returned { behind: self.run_behind, frames });
            self.run_start = self.landed;
        }
    }

    /// The message is all of `payload`, a buffer of the pool's.
    pub(super) fn return_taken(&mut self, message: Returning, payload: Vec<u8>) {
        let Returning { opcode, behind } = message;
        let frame = encode::server_header(opcode, payload.len());
        self.end_run();
        self.run_behind = behind;
        self.returned.push(Returned { behind, frames: Frames::Taken(encode::header(&frame), payload) });
    }

    /// All of it, if it is messages that go back and nothing else.
    #[inline]
    pub(super) fn sole_piece<'a>(&self, landing: &'a LazyBuffer) -> Option<&'a [u8]> {
        self.is_landed().then(|| &landing.bytes()[self.run_start..self.landed])
    }

    /// Whether all of it is one piece of the landing.
    #[inline]
    const fn is_landed(&self) -> bool {
        self.returned.is_empty() && self.bytes.is_empty()
    }

    /// Leaves all of it in the landing, where no input is any more, says where, and is empty then. `None` when it is more than one
    /// piece; it stays as it is.
    #[inline]
    pub(super) fn set_aside(&mut self, landing: &mut LazyBuffer) -> Option<Range<usize>> {
        if self.is_plain() {
            let end = self.landed + self.bytes.len();
            landing.bytes_mut()[self.landed..end].copy_from_slice(&self.bytes);
            landing.note(end);
            self.bytes.clear();
            self.landed = end;
        } else if !self.is_landed() {
            return None;
        }
        let at = self.run_start..self.landed;
        self.aside = self.landed;
        self.begin_run();
        self.returned_bytes = 0;
        Some(at)
    }

    /// Nothing is set aside any more.
    pub(super) fn end_aside(&mut self) {
        debug_assert!(self.len() == 0 && self.landed == self.aside, "a reply is under way");
        self.aside = 0;
        self.begin_run();
    }

    /// Nothing has landed but what is set aside.
    #[inline]
    const fn begin_run(&mut self) {
        (self.landed, self.run_start, self.run_behind) = (self.aside, self.aside, 0);
    }

    /// Lends all of it as slices to write, and returns how many it filled in.
    pub(super) fn slices<'a>(
        &'a mut self,
        landing: &'a LazyBuffer,
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
        for Returned { behind, frames } in &self.returned {
            add(&self.bytes[at..*behind]);
            at = *behind;
            match frames {
                Frames::Landed(range) => add(&landing.bytes()[range.clone()]),
                Frames::Taken(header, payload) => {
                    add(header.as_ref());
                    add(payload);
                }
            }
        }
        add(&self.bytes[at..]);
        filled
    }

    /// Hands out all of it, one piece after the other, and is empty then.
    pub(super) fn drain(&mut self, landing: &LazyBuffer, mut take: impl FnMut(Piece<'_>)) {
        self.end_run();
        let mut at = 0;
        for Returned { behind, frames } in self.returned.drain(..) {
            take(Piece::Bytes(&self.bytes[at..behind]));
            at = behind;
            match frames {
                Frames::Landed(range) => take(Piece::Bytes(&landing.bytes()[range])),
                Frames::Taken(header, payload) => {
                    take(Piece::Bytes(header.as_ref()));
                    take(Piece::Taken(payload));
                }
            }
        }
        take(Piece::Bytes(&self.bytes[at..]));
        self.empty();
    }

    /// A copy of all of it in one piece.
    pub(super) fn flatten(&mut self, landing: &LazyBuffer) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = self.slices(landing, &mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        self.finish_writing(pool);
        self.messages = 0;
        self.close = None;
        self.returning = None;
    }

    /// Forgets what there is to write.
    pub(super) fn finish_writing(&mut self, pool: &mut Pool) {
        for Returned { frames, .. } in self.returned.drain(..) {
            if let Frames::Taken(_, payload) = frames {
                pool.recycle(payload);
            }
        }
        self.empty();
    }

    /// What is left after all of it was written or handed out.
    fn empty(&mut self) {
        self.begin_run();
        self.returned_bytes = 0;
        self.bytes = reusable(std::mem::take(&mut self.bytes));
    }
}
