//! Replies that wait for those of other connections, so that several are read from before several are written to.
//!
//! What the kernel runs to receive is not what it runs to send: by turns, each throws the other's instructions out of the processor's
//! caches, and the first peer that is written to wakes up for one message. Small replies therefore stay where they landed until
//! some are there, or there is nothing left to read. None outlives the phase in which it was held, and what visits a connection again in it
//! writes them first: nothing else can be written to it in between.

use std::ops::Range;

use super::core::{Flow, Worker};
use super::handler::Handler;
use super::os::Os;
use super::table::ConnId;
use crate::budget::{HELD_EACH, HELD_MOST};

/// Replies that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct HeldReplies {
    replies: Vec<Held>,
    /// A bit for each sixty-fourth of all indices of connections: not set where none of them has a reply here.
    marks: u64,
}

#[derive(Debug)]
struct Held {
    id: ConnId,
    /// Where it is in the landing.
    at: Range<usize>,
}

impl HeldReplies {
    pub(super) const fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    fn push(&mut self, id: ConnId, at: Range<usize>) {
        self.marks |= mark(id);
        self.replies.push(Held { id, at });
    }

    #[inline]
    fn has(&self, id: ConnId) -> bool {
        self.marks & mark(id) != 0 && self.replies.iter().any(|held| held.id == id)
    }
}

const fn mark(id: ConnId) -> u64 {
    1 << (id.index() % u64::BITS)
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Ends a visit: holds the reply, or writes it where it is long or there is other output.
    pub(super) fn finish_reply(&mut self, index: u32) -> Flow {
        let len = self.reply.len();
        if len == 0 || len > HELD_EACH || !self.table.is_open(index) || self.has_company(index) {
            return self.flush_reply(index);
        }
        let Some(at) = self.reply.set_aside(&mut self.landing) else { return self.flush_reply(index) };
        self.counters.messages_out.add(std::mem::take(&mut self.reply.messages));
        let id = self.table.id(index);
        self.held.push(id, at);
        if self.held.replies.len() >= HELD_MOST {
            self.write_held();
        }
        Flow::Alive
    }

    /// Sees to it that no reply to this connection is held.
    #[inline]
    pub(super) fn let_go(&mut self, id: ConnId) {
        // No system reports a connection twice at a time, which is no reason to break a stream if one does.
        if self.held.has(id) {
            self.write_held();
        }
    }

    /// Writes what is held.
    pub(super) fn write_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        let landing = std::mem::take(&mut self.landing);
        for Held { id, at } in held.replies.drain(..) {
            // Its connection may have ended meanwhile.
            let Some(index) = self.table.find(id) else { continue };
            let _ = self.write_now(index, &landing.bytes()[at]);
        }
        held.marks = 0;
        self.landing = landing;
        self.held = held;
        self.reply.end_aside();
    }
}
