//! When replies are deferred, and when deferred replies are written.

use super::sessions::{Flow, Sessions};
use crate::budget::{MAX_DEFERRED, MAX_DEFERRED_LEN};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::DeferredReply;
use crate::worker::table::{ConnId, ConnIndex};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Ends a visit: defers the reply, or writes it when it is long or there is other output.
    pub(in crate::worker) fn defer_or_flush_reply(&mut self, index: ConnIndex) -> Flow {
        let len = self.streams.receive_buffer.reply().len();
        if len == 0
            || len > MAX_DEFERRED_LEN
            || !self.streams.table.is_open(index)
            || self.streams.has_other_output(index)
        {
            return self.flush_reply(index);
        }
        if !self.streams.receive_buffer.defer(self.streams.table.id(index)) {
            return self.flush_reply(index);
        }
        self.streams
            .counters
            .messages_out
            .add(std::mem::take(&mut self.streams.receive_buffer.reply_mut().messages));
        if self.streams.receive_buffer.deferred() >= MAX_DEFERRED {
            self.write_deferred();
        }
        Flow::Alive
    }

    /// Writes deferred replies if one of them is to this connection.
    #[inline]
    pub(in crate::worker) fn write_deferred_to(&mut self, id: ConnId) {
        // epoll reports a connection once per wait. Should an `Os` report it twice, later output must not overtake the deferred reply.
        if self.streams.receive_buffer.has_deferred(id) {
            self.write_deferred();
        }
    }

    /// Writes all deferred replies.
    pub(in crate::worker) fn write_deferred(&mut self) {
        if !self.streams.receive_buffer.is_deferring() {
            return;
        }
        let (replies, memory) = self.streams.receive_buffer.take_deferred();
        for DeferredReply { id, at } in &replies {
            // The connection may have ended meanwhile.
            let Some(index) = self.streams.table.find(*id) else { continue };
            let _ = self.write_now(index, &memory.bytes()[at.clone()]);
        }
        self.streams.receive_buffer.end_deferring(replies, memory);
    }
}
