//! Deferred replies: they wait for those of other connections, so that the worker reads from several connections before it writes to
//! several.

use std::ops::Range;

use crate::worker::table::ConnId;

/// Small replies that stay in the receive buffer, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct DeferredReplies {
    replies: Vec<DeferredReply>,
    /// A filter over connection indices modulo 64: a bit is clear where no connection with such an index has a deferred reply.
    filter: u64,
}

/// A deferred reply to one connection.
#[derive(Debug)]
pub(in crate::worker) struct DeferredReply {
    pub(in crate::worker) id: ConnId,
    /// The range of the receive buffer that holds the reply.
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
        self.filter |= filter_bit(id);
        self.replies.push(DeferredReply { id, at });
    }

    /// Returns whether a reply to this connection is deferred.
    #[inline]
    pub(super) fn has(&self, id: ConnId) -> bool {
        self.filter & filter_bit(id) != 0 && self.replies.iter().any(|reply| reply.id == id)
    }

    /// Takes all replies out. The list may be [put back](Self::reuse) to be used again.
    pub(super) fn take(&mut self) -> Vec<DeferredReply> {
        self.filter = 0;
        std::mem::take(&mut self.replies)
    }

    pub(super) fn reuse(&mut self, mut replies: Vec<DeferredReply>) {
        debug_assert!(self.replies.is_empty(), "replies were deferred while others were written");
        replies.clear();
        self.replies = replies;
    }
}

const fn filter_bit(id: ConnId) -> u64 {
    1 << (id.index().get() % u64::BITS)
}
