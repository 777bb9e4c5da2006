//! Replies that wait for those of other connections, so that several are read from before several are written to.
//!
//! What the kernel runs to receive is not what it runs to send: by turns, each throws the other's instructions out of the processor's
//! caches, and the first peer that is written to wakes up for one message. Small replies therefore stay where they landed until
//! some are there, or there is nothing left to read. None outlives the phase in which it was held, and what visits a connection again in it
//! writes them first: nothing else can be written to it in between.

use std::ops::Range;

use super::core::{Flow, Worker};
use super::handler::Handler;
use super::id::ConnId;
use super::os::Os;
use super::record::State;
use crate::budget::{HELD_EACH, HELD_MOST};

/// A reply that waits.
#[derive(Debug)]
pub(super) struct Held {
    id: ConnId,
    /// Where it is in the reply's landing.
    at: Range<usize>,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Ends a visit: holds the reply, or writes it where it is long or there is other output.
    pub(super) fn finish_reply(&mut self, index: u32) -> Flow {
        let len = self.reply.len();
        if len == 0
            || len > HELD_EACH
            || self.has_company(index)
            || self.record_mut(index).state != State::Open
        {
            return self.flush_reply(index);
        }
        let Some(at) = self.reply.set_aside() else { return self.flush_reply(index) };
        self.counters.messages_out.add(std::mem::take(&mut self.reply.messages));
        self.held.push(Held { id: self.id(index), at });
        if self.held.len() >= HELD_MOST {
            self.write_held();
        }
        Flow::Alive
    }

    /// Sees to it that no reply to this connection is held.
    #[inline]
    pub(super) fn let_go(&mut self, id: ConnId) {
        // No system reports a connection twice at a time, which is no reason to break a stream if one does.
        if self.held.iter().any(|held| held.id == id) {
            self.write_held();
        }
    }

    /// Writes what is held, in the order in which it came.
    pub(super) fn write_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        let landing = std::mem::take(&mut self.reply.landing);
        for Held { id, at } in held.drain(..) {
            // Its connection may have ended meanwhile.
            let Some(index) = self.find(id) else { continue };
            let _ = self.write_now(index, &landing.bytes()[at]);
        }
        self.reply.landing = landing;
        self.held = held;
        self.reply.end_aside();
    }
}
