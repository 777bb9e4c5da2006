//! The one buffer that a worker receives in, and the output that is written from it.
//!
//! A server's frame is four bytes shorter than a client's. While a message that is whole in the input is unmasked, it is therefore moved
//! down in the buffer, behind earlier messages and room for a server's header. When its handler sends it back unchanged, it is already in
//! place, so that the echoes of many messages are written as one slice of the memory that they were received in. Other output of a handler
//! is in a buffer of its own, and is written in between.
//!
//! Receiving and sending run different code of the kernel. Alternating between them evicts the instructions of each from the processor's
//! caches, and wakes the first peer for a single message. Small replies therefore stay in the buffer until there are several, or nothing is
//! left to read.

use std::io::IoSlice;
use std::ops::Range;

use super::deferred::{DeferredReplies, DeferredReply};
use super::reply::{Piece, Reply};
use crate::base::lazy_buffer::LazyBuffer;
use crate::base::pool::Pool;
use crate::budget::{READ_BUFFER, RECEIVE_KEEP, REPLIES_IN_RECEIVE_BUFFER, SLICES_PER_WRITE};
use crate::worker::table::ConnId;

/// The receive buffer of a worker, and the output that is written from it.
///
/// From its start the buffer holds, one behind the other: the deferred replies of other connections, the echoed messages of the current
/// connection, and input that is not handled. Input is received only behind echoed messages, and only a message that has been handled is
/// overwritten by the next one that moves down. So output is never overwritten before it is written.
///
/// A reply is deferred within one phase of the worker's loop only. Code that visits a connection again in the same phase writes deferred
/// replies first, so that later output does not overtake them.
#[derive(Debug)]
pub(in crate::worker) struct ReceiveBuffer {
    memory: LazyBuffer,
    /// Output of the current connection; empty between connections.
    reply: Reply,
    /// Deferred replies; empty between phases.
    deferred: DeferredReplies,
}

impl ReceiveBuffer {
    /// Makes a buffer for connections with outboxes of `outbox` bytes, and messages of at most `max_message` bytes.
    pub(in crate::worker) fn new(outbox: usize, max_message: usize) -> Self {
        Self {
            memory: LazyBuffer::new(REPLIES_IN_RECEIVE_BUFFER + READ_BUFFER),
            reply: Reply::new(outbox, max_message),
            deferred: DeferredReplies::default(),
        }
    }

    /// Returns the output of the current connection.
    #[inline]
    pub(in crate::worker) const fn reply(&self) -> &Reply {
        &self.reply
    }

    /// Returns the output of the current connection, mutably.
    #[inline]
    pub(in crate::worker) const fn reply_mut(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// Returns the position from which on input may be received.
    #[inline]
    pub(in crate::worker) const fn input_start(&self) -> usize {
        self.reply.echo_end()
    }

    /// Returns the bytes in a range of the buffer.
    #[inline]
    pub(in crate::worker) fn bytes(&self, part: Range<usize>) -> &[u8] {
        &self.memory.bytes()[part]
    }

    /// Returns a range of the buffer to receive in, which must be behind [`input_start`](Self::input_start).
    #[inline]
    pub(in crate::worker) fn room(&mut self, part: Range<usize>) -> &mut [u8] {
        debug_assert!(part.start >= self.input_start(), "input would overwrite output");
        &mut self.memory.bytes_mut()[part]
    }

    /// Notes that the buffer is in use up to the position `end`.
    #[inline]
    pub(in crate::worker) const fn note_used(&mut self, end: usize) {
        self.memory.note_used(end);
    }

    /// Returns the whole buffer, and the reply to which messages in it may be echoed.
    #[inline]
    pub(in crate::worker) fn split(&mut self) -> (&mut [u8], &mut Reply) {
        (self.memory.bytes_mut(), &mut self.reply)
    }

    /// Takes the memory out, so that input can be read while output is added. [Put it back](Self::put_memory_back) before anything is
    /// received.
    pub(in crate::worker) fn take_memory(&mut self) -> LazyBuffer {
        std::mem::take(&mut self.memory)
    }

    pub(in crate::worker) fn put_memory_back(&mut self, memory: LazyBuffer) {
        self.memory = memory;
    }

    /// Returns the whole output, if it consists of echoed messages in one slice of the buffer.
    #[inline]
    pub(in crate::worker) fn sole_piece(&self) -> Option<&[u8]> {
        self.reply.sole_piece().map(|at| &self.memory.bytes()[at])
    }

    /// Fills `slices` with the whole output, and returns how many it filled.
    pub(in crate::worker) fn slices<'a>(&'a mut self, slices: &mut [IoSlice<'a>; SLICES_PER_WRITE]) -> usize {
        self.reply.slices(self.memory.bytes(), slices)
    }

    /// Passes each piece of the output to `take`, in order. The output is empty afterwards.
    pub(in crate::worker) fn drain(&mut self, take: impl FnMut(Piece<'_>)) {
        self.reply.drain(self.memory.bytes(), take);
    }

    /// Returns a copy of the whole output in one piece.
    pub(in crate::worker) fn flatten(&mut self) -> Vec<u8> {
        self.reply.flatten(self.memory.bytes())
    }

    /// Discards the output of the current connection.
    pub(in crate::worker) fn clear_reply(&mut self, pool: &mut Pool) {
        self.reply.clear(pool);
    }

    /// Returns whether replies are deferred.
    pub(in crate::worker) const fn is_deferring(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Returns how many replies are deferred.
    pub(in crate::worker) const fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Returns whether a reply to this connection is deferred.
    #[inline]
    pub(in crate::worker) fn has_deferred(&self, id: ConnId) -> bool {
        self.deferred.has(id)
    }

    /// Defers the output of the current connection. Its input must have been handled. Returns `false`, and changes nothing, when the output
    /// is in several pieces.
    #[inline]
    pub(in crate::worker) fn defer(&mut self, id: ConnId) -> bool {
        let Some(at) = self.reply.defer(&mut self.memory) else { return false };
        self.deferred.push(id, at);
        true
    }

    /// Takes the deferred replies out, with the memory that holds them. [Put both back](Self::end_deferring) when the replies are written.
    pub(in crate::worker) fn take_deferred(&mut self) -> (Vec<DeferredReply>, LazyBuffer) {
        (self.deferred.take(), self.take_memory())
    }

    /// Puts back the list and the memory of deferred replies, which have all been written.
    pub(in crate::worker) fn end_deferring(&mut self, replies: Vec<DeferredReply>, memory: LazyBuffer) {
        self.deferred.reuse(replies);
        self.memory = memory;
        self.reply.end_deferring();
    }

    /// Returns whether more than `keep` bytes of the buffer may have memory.
    pub(in crate::worker) fn can_trim(&self, keep: usize) -> bool {
        self.memory.can_trim(keep)
    }

    /// Frees memory that was not needed since the last call. Its contents are lost.
    pub(in crate::worker) fn trim(&mut self) {
        self.memory.trim(RECEIVE_KEEP);
    }
}
