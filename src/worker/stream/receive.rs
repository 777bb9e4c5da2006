//! The one buffer that a worker receives in, and the output that leaves from where it was received.
//!
//! A server's frame is four bytes shorter than a client's. A message that is whole in the input is therefore moved down where it was
//! received, as it is unmasked, behind what has been moved before and room for a server's header. When its handler sends it back
//! unchanged, it lies where it has to, so that the echoes of many messages leave as one piece of the memory that they were received in.
//! What a handler sends otherwise is in a buffer of its own, in between.
//!
//! What the kernel runs to receive is not what it runs to send: by turns, each throws the other's instructions out of the processor's
//! caches, and the first peer that is written to wakes up for one message. Small replies therefore stay in the buffer until
//! some are there, or there is nothing left to read.

use std::io::IoSlice;
use std::ops::Range;

use super::deferred::{DeferredReplies, DeferredReply};
use super::reply::{Piece, Reply};
use crate::base::lazy_buffer::LazyBuffer;
use crate::base::pool::Pool;
use crate::budget::{READ_BUFFER, RECEIVE_KEEP, REPLIES_IN_RECEIVE_BUFFER, SLICES_PER_WRITE};
use crate::worker::table::ConnId;

/// The receive buffer of a worker, with what is written from it.
///
/// From its beginning on it holds, one behind the other: the deferred replies of other connections, the messages that go back to the
/// connection at hand, and input that is not dealt with. Input is only received behind what goes back, and only a message that has been
/// dealt with is moved down over where it was. So nothing that is to be written is ever overwritten.
///
/// No reply is deferred beyond a phase of the worker's loop, and whatever visits a connection again in the same phase writes deferred replies
/// first: nothing else can be written to their connections in between.
#[derive(Debug)]
pub(in crate::worker) struct ReceiveBuffer {
    memory: LazyBuffer,
    /// Output of the connection at hand; empty between connections.
    reply: Reply,
    /// Empty between phases.
    deferred: DeferredReplies,
}

impl ReceiveBuffer {
    /// For connections whose outboxes hold so many bytes, and where messages have so many at most.
    pub(in crate::worker) fn new(outbox: usize, max_message: usize) -> Self {
        Self {
            memory: LazyBuffer::new(REPLIES_IN_RECEIVE_BUFFER + READ_BUFFER),
            reply: Reply::new(outbox, max_message),
            deferred: DeferredReplies::default(),
        }
    }

    /// Output of the connection at hand.
    #[inline]
    pub(in crate::worker) const fn reply(&self) -> &Reply {
        &self.reply
    }

    /// Output of the connection at hand, to add to.
    #[inline]
    pub(in crate::worker) const fn reply_mut(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// Where input may begin.
    #[inline]
    pub(in crate::worker) const fn input_start(&self) -> usize {
        self.reply.echo_end()
    }

    /// What is in a part of the buffer.
    #[inline]
    pub(in crate::worker) fn bytes(&self, part: Range<usize>) -> &[u8] {
        &self.memory.bytes()[part]
    }

    /// A part of the buffer, behind [`input_start`](Self::input_start), to receive in.
    #[inline]
    pub(in crate::worker) fn room(&mut self, part: Range<usize>) -> &mut [u8] {
        debug_assert!(part.start >= self.input_start(), "input would overwrite output");
        &mut self.memory.bytes_mut()[part]
    }

    /// Notes that the buffer is in use up to there.
    #[inline]
    pub(in crate::worker) const fn note(&mut self, end: usize) {
        self.memory.note(end);
    }

    /// The whole buffer, and the output to which what is in it may be moved.
    #[inline]
    pub(in crate::worker) fn split(&mut self) -> (&mut [u8], &mut Reply) {
        (self.memory.bytes_mut(), &mut self.reply)
    }

    /// Takes the memory out, to look at input while output is added. [Put it back](Self::put_memory_back) before anything is received.
    pub(in crate::worker) fn take_memory(&mut self) -> LazyBuffer {
        std::mem::take(&mut self.memory)
    }

    pub(in crate::worker) fn put_memory_back(&mut self, memory: LazyBuffer) {
        self.memory = memory;
    }

    /// All of the output, if it is messages that go back and nothing else.
    #[inline]
    pub(in crate::worker) fn sole_piece(&self) -> Option<&[u8]> {
        self.reply.sole_piece().map(|at| &self.memory.bytes()[at])
    }

    /// Lends all of the output as slices to write, and returns how many it filled in.
    pub(in crate::worker) fn slices<'a>(&'a mut self, slices: &mut [IoSlice<'a>; SLICES_PER_WRITE]) -> usize {
        self.reply.slices(self.memory.bytes(), slices)
    }

    /// Hands out all of the output, one piece after the other, and is without any then.
    pub(in crate::worker) fn drain(&mut self, take: impl FnMut(Piece<'_>)) {
        self.reply.drain(self.memory.bytes(), take);
    }

    /// A copy of all of the output in one piece.
    pub(in crate::worker) fn flatten(&mut self) -> Vec<u8> {
        self.reply.flatten(self.memory.bytes())
    }

    /// Forgets the output of the connection at hand.
    pub(in crate::worker) fn clear_reply(&mut self, pool: &mut Pool) {
        self.reply.clear(pool);
    }

    /// Whether replies are deferred.
    pub(in crate::worker) const fn is_deferring(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// How many replies are deferred.
    pub(in crate::worker) const fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Whether a reply to this connection is deferred.
    #[inline]
    pub(in crate::worker) fn has_deferred(&self, id: ConnId) -> bool {
        self.deferred.has(id)
    }

    /// Defers the output of the connection at hand, behind which there must be no input any more. `false`, and it stays as it is, when
    /// it is in more than one piece.
    #[inline]
    pub(in crate::worker) fn defer(&mut self, id: ConnId) -> bool {
        let Some(at) = self.reply.defer(&mut self.memory) else { return false };
        self.deferred.push(id, at);
        true
    }

    /// Takes the deferred replies out, with the memory they are in. [Put both back](Self::end_deferring) when they are written.
    pub(in crate::worker) fn take_deferred(&mut self) -> (Vec<DeferredReply>, LazyBuffer) {
        (self.deferred.take(), self.take_memory())
    }

    /// No reply is deferred any more.
    pub(in crate::worker) fn end_deferring(&mut self, replies: Vec<DeferredReply>, memory: LazyBuffer) {
        self.deferred.reuse(replies);
        self.memory = memory;
        self.reply.end_deferring();
    }

    /// Whether more than `keep` bytes of it may have memory.
    pub(in crate::worker) fn is_holding(&self, keep: usize) -> bool {
        self.memory.is_holding(keep)
    }

    /// Gives memory back that was not needed since the last call. What is in it is lost.
    pub(in crate::worker) fn trim(&mut self) {
        self.memory.trim(RECEIVE_KEEP);
    }
}
