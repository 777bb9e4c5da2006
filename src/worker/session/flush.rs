//! Writing to a connection: at once what the kernel takes, and the rest through its outbox.

use super::sessions::{Flow, Sessions};
use crate::base::spare::free_spare;
use crate::budget::{LIST_KEEP, REPLY_FLUSH_LEAST};
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, State};

/// The longest reply that is copied to leave together with a Ping, in bytes.
const MAX_JOINED_REPLY: usize = 4096;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Writes the current reply.
    pub(in crate::worker) fn flush_reply(&mut self, index: ConnIndex) -> Flow {
        self.streams
            .counters
            .messages_out
            .add(std::mem::take(&mut self.streams.receive_buffer.reply_mut().messages));
        if !self.streams.receive_buffer.reply().has_no_echoes() {
            return self.flush_reply_with_echoes(index);
        }
        if self.streams.receive_buffer.reply().bytes.is_empty() {
            return Flow::Alive;
        }
        let bytes = std::mem::take(&mut self.streams.receive_buffer.reply_mut().bytes);
        let flow = self.write(index, &bytes);
        self.streams.receive_buffer.reply_mut().reuse(bytes);
        flow
    }

    /// Writes a reply with echoed messages.
    fn flush_reply_with_echoes(&mut self, index: ConnIndex) -> Flow {
        let all = self.streams.receive_buffer.reply().len();
        let must_wait = self.streams.outbox_len(index) > 0
            || self.streams.table.record_mut(index).flags.has(Flags::BLOCKED);
        if !must_wait && all <= MAX_JOINED_REPLY && self.streams.has_other_output(index) {
            let bytes = self.streams.receive_buffer.flatten();
            self.streams.receive_buffer.reply_mut().clear_output(&mut self.streams.pool);
            return self.write_later(index, &bytes);
        }
        let sent = if must_wait { Ok(0) } else { self.streams.send_reply(index) };
        let Ok(written) = sent else { return self.drop_lost(index) };
        if written == all {
            self.streams.receive_buffer.reply_mut().clear_output(&mut self.streams.pool);
            return Flow::Alive;
        }
        let queued = self.streams.queue_reply(index, written);
        self.after_queueing(index, queued)
    }

    /// Writes bytes, or queues those that cannot be written now.
    fn write(&mut self, index: ConnIndex, bytes: &[u8]) -> Flow {
        if self.streams.has_other_output(index) {
            self.write_later(index, bytes)
        } else {
            self.write_now(index, bytes)
        }
    }

    /// Queues bytes. They leave at the end of the iteration, together with other output of the connection.
    pub(in crate::worker) fn write_later(&mut self, index: ConnIndex, bytes: &[u8]) -> Flow {
        let is_free = self.streams.outbox_len(index) == 0
            && !self.streams.table.record_mut(index).flags.has(Flags::BLOCKED);
        let queued = self.streams.queue(index, bytes);
        if !queued && is_free {
            // Without a buffer the bytes leave at once.
            let flow = self.write_now(index, bytes);
            if flow == Flow::Alive {
                self.streams.free_side(index);
            }
            return flow;
        }
        self.after_queueing(index, queued)
    }

    pub(in crate::worker) fn write_now(&mut self, index: ConnIndex, bytes: &[u8]) -> Flow {
        match self.streams.send(index, bytes) {
            Err(_) => self.drop_lost(index),
            Ok(written) if written == bytes.len() => Flow::Alive,
            Ok(written) => {
                let queued = self.streams.queue(index, &bytes[written..]);
                self.after_queueing(index, queued)
            }
        }
    }

    pub(in crate::worker) fn after_queueing(&mut self, index: ConnIndex, queued: bool) -> Flow {
        if !queued {
            // The stream would have a gap: nothing can follow, not even a Close.
            return self.drop_connection(index, Closed::BuffersExhausted);
        }
        if self.streams.is_blocked(index) {
            self.pause(index);
            return Flow::Alive;
        }
        self.streams.mark_dirty(index);
        // No limit counts Pongs in the outbox. A long outbox is written at once, so that they do not accumulate over several reads.
        if self.streams.outbox_len(index) >= REPLY_FLUSH_LEAST {
            self.write_outbox(index)
        } else {
            Flow::Alive
        }
    }

    /// Writes output that was queued in this iteration for one connection, before the iteration ends.
    pub(in crate::worker) fn write_queued_to(&mut self, index: ConnIndex) -> Flow {
        let flags = self.streams.table.record_mut(index).flags;
        if flags.has(Flags::DIRTY) && !flags.has(Flags::BLOCKED) {
            self.write_outbox(index)
        } else {
            Flow::Alive
        }
    }

    /// Writes output that was queued in this iteration (RFC 6455-6.1-7).
    pub(in crate::worker) fn write_queued(&mut self) {
        let mut dirty = std::mem::take(&mut self.streams.dirty);
        for id in dirty.drain(..) {
            let Some(index) = self.streams.table.find(id) else { continue };
            let record = self.streams.table.record_mut(index);
            record.flags.clear(Flags::DIRTY);
            if !record.flags.has(Flags::BLOCKED) {
                let _ = self.write_outbox(index);
            }
        }
        // The list keeps its capacity for the next iteration, unless a burst has made it large.
        self.streams.dirty = dirty;
        free_spare(&mut self.streams.dirty, LIST_KEEP);
    }

    /// Handles the event that the kernel has room for output.
    pub(in crate::worker) fn unblock(&mut self, index: ConnIndex) -> Flow {
        if self.streams.table.record_mut(index).flags.has(Flags::BLOCKED) {
            self.retry_writing(index)
        } else {
            Flow::Alive
        }
    }

    /// Writes again to a connection whose output was blocked: first the transport's own output, and then the outbox.
    pub(in crate::worker) fn retry_writing(&mut self, index: ConnIndex) -> Flow {
        self.streams.table.record_mut(index).flags.clear(Flags::BLOCKED);
        match self.streams.flush_transport(index) {
            Ok(true) => self.write_outbox(index),
            Ok(false) => {
                self.pause(index);
                Flow::Alive
            }
            Err(_) => self.drop_lost(index),
        }
    }

    /// Pauses reading from a peer that does not read: its input would only make more output.
    fn pause(&mut self, index: ConnIndex) {
        if !self.streams.table.record_mut(index).flags.replace(Flags::PAUSED) {
            self.streams.suspend_message_deadline(index);
        }
    }

    /// Writes as much of the queued output as the kernel takes.
    pub(in crate::worker) fn write_outbox(&mut self, index: ConnIndex) -> Flow {
        while self.streams.outbox_len(index) > 0 {
            match self.streams.send_outbox(index) {
                Ok(true) => {}
                Ok(false) => {
                    self.pause(index);
                    return Flow::Alive;
                }
                Err(_) => return self.drop_lost(index),
            }
        }
        self.streams.free_side(index);
        let id = self.streams.table.id(index);
        let record = self.streams.table.record_mut(index);
        if record.flags.has(Flags::PAUSED) && record.state() != State::Deciding {
            record.flags.clear(Flags::PAUSED);
            self.streams.resume_message_deadline(index);
            self.queue_visit(id);
            self.restart_pong_deadline(index);
        }
        self.end_writing(index);
        Flow::Alive
    }
}
