//! Replies that are written together with those of other connections, and when.

use super::core::{Flow, Worker};
use super::handler::Handler;
use super::os::Os;
use super::stream::DeferredReply;
use super::table::ConnId;
use crate::budget::{HELD_EACH, HELD_MOST};

impl<O: Os, H: Handler> Worker<O, H> {
    /// Ends a visit: holds the reply, or writes it where it is long or there is other output.
    pub(super) fn finish_reply(&mut self, index: u32) -> Flow {
        let len = self.receive.reply().len();
        if len == 0 || len > HELD_EACH || !self.table.is_open(index) || self.has_company(index) {
            return self.flush_reply(index);
        }
        if !self.receive.defer(self.table.id(index)) {
            return self.flush_reply(index);
        }
        self.counters.messages_out.add(std::mem::take(&mut self.receive.reply_mut().messages));
        if self.receive.deferred() >= HELD_MOST {
            self.write_held();
        }
        Flow::Alive
    }

    /// Sees to it that no reply to this connection is held.
    #[inline]
    pub(super) fn let_go(&mut self, id: ConnId) {
        // No system reports a connection twice at a time, which is no reason to break a stream if one does.
        if self.receive.has_deferred(id) {
            self.write_held();
        }
    }

    /// Writes what is held.
    pub(super) fn write_held(&mut self) {
        if !self.receive.is_deferring() {
            return;
        }
        let (replies, memory) = self.receive.take_deferred();
        for DeferredReply { id, at } in &replies {
            // Its connection may have ended meanwhile.
            let Some(index) = self.table.find(*id) else { continue };
            let _ = self.write_now(index, &memory.bytes()[at.clone()]);
        }
        self.receive.end_deferring(replies, memory);
    }
}
