//! Replies that wait for those of other connections, so that several are read from before several are written to.

use std::ops::Range;

use crate::worker::table::ConnId;

/// Small replies that stay where they were made, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct DeferredReplies {
    replies: Vec<DeferredReply>,
    /// A bit for each sixty-fourth of all indices of connections: not set where none of them has a reply here.
    marks: u64,
}

/// A reply to one connection.
#[derive(Debug)]
pub(in crate::worker) struct DeferredReply {
    pub(in crate::worker) id: ConnId,
    /// Where it is in the receive buffer.
    pub(in crate::worker) at: Range<usize>,
}

impl DeferredReplies {
    pub(super) const fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.replies.len()
    }

    pub(super) fn push(&mut self, id: ConnId, at: Range<usize>) {
        self.marks |= mark(id);
        self.replies.push(DeferredReply { id, at });
    }

    /// Whether one of them is to this connection.
    #[inline]
    pub(super) fn has(&self, id: ConnId) -> bool {
        self.marks & mark(id) != 0 && self.replies.iter().any(|reply| reply.id == id)
    }

    /// Takes all of them out. What they are kept in may be [put back](Self::reuse) to be used again.
    pub(super) fn take(&mut self) -> Vec<DeferredReply> {
        self.marks = 0;
        std::mem::take(&mut self.replies)
    }

    pub(super) fn reuse(&mut self, mut replies: Vec<DeferredReply>) {
        debug_assert!(self.replies.is_empty(), "replies were deferred while others were written");
        replies.clear();
        self.replies = replies;
    }
}

const fn mark(id: ConnId) -> u64 {
    1 << (id.index() % u64::BITS)
}
