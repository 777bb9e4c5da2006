//! Writing to a connection: at once where the kernel takes it, from its outbox where not.

use std::io::{self, IoSlice};

use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::keepalive::Keepalive;
use super::lateness::Lateness;
use super::os::Os;
use super::send::{send_bytes, send_slices};
use super::stream::Piece;
use super::table::{Flags, Record, Side, State};
use crate::budget::{LIST_KEEP, REPLY_FLUSH_LEAST, REPLY_KEEP, SLICES_PER_WRITE};

/// Bytes of a reply that are worth copying to have them leave together with a Ping.
const JOINED: usize = 4096;

impl<O: Os, H: Handler> Worker<O, H> {
    /// Writes the replies gathered so far.
    pub(super) fn flush_reply(&mut self, index: u32) -> Flow {
        self.counters.messages_out.add(std::mem::take(&mut self.receive.reply_mut().messages));
        if !self.receive.reply().is_plain() {
            return self.flush_pieces(index);
        }
        if self.receive.reply().bytes.is_empty() {
            return Flow::Alive;
        }
        let bytes = std::mem::take(&mut self.receive.reply_mut().bytes);
        let flow = self.write(index, &bytes);
        self.receive.reply_mut().bytes = reusable(bytes);
        flow
    }

    /// The same for a reply with messages in it that go back as they came.
    fn flush_pieces(&mut self, index: u32) -> Flow {
        let all = self.receive.reply().len();
        let must_wait = self.queued(index) > 0 || self.table.record_mut(index).flags.has(Flags::BLOCKED);
        if !must_wait && all <= JOINED && self.has_company(index) {
            let bytes = self.receive.flatten();
            self.receive.reply_mut().finish_writing(&mut self.pool);
            return self.write_later(index, &bytes);
        }
        let sent = if must_wait { Ok(0) } else { self.send_reply(index) };
        let Ok(written) = sent else { return self.lose(index) };
        if written == all {
            self.receive.reply_mut().finish_writing(&mut self.pool);
            return Flow::Alive;
        }
        let queued = self.queue_reply(index, written);
        self.after_queueing(index, queued)
    }

    /// Puts what is not `written` of the reply into the outbox. `false` when there is no buffer for part of it.
    fn queue_reply(&mut self, index: u32, mut written: usize) -> bool {
        let Self { table, pool, receive, .. } = self;
        let Side { outbox, .. } = table.side_or_new(index);
        let mut queued = true;
        receive.drain(|piece| {
            let skip = written.min(piece.len());
            written -= skip;
            match piece {
                Piece::Bytes(bytes) => queued &= skip == bytes.len() || outbox.push(&bytes[skip..], pool),
                Piece::Buffer(buffer) => outbox.push_buffer(buffer, skip, pool),
            }
        });
        queued
    }

    fn send_reply(&mut self, index: u32) -> io::Result<usize> {
        let Self { table, os, counters, receive, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        if let Some(bytes) = receive.sole_piece() {
            return send_bytes(os, record, counters, bytes);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = receive.slices(&mut slices);
        send_slices(os, record, counters, &slices[..filled])
    }

    /// Writes bytes, or queues what cannot be written now.
    fn write(&mut self, index: u32, bytes: &[u8]) -> Flow {
        if self.has_company(index) { self.write_later(index, bytes) } else { self.write_now(index, bytes) }
    }

    /// Queues bytes, which leave at the end of the iteration together with all else it has brought for the connection.
    pub(super) fn write_later(&mut self, index: u32, bytes: &[u8]) -> Flow {
        let is_free = self.queued(index) == 0 && !self.table.record_mut(index).flags.has(Flags::BLOCKED);
        let queued = self.queue(index, bytes);
        if !queued && is_free {
            // For want of a buffer it goes out alone.
            let flow = self.write_now(index, bytes);
            if flow == Flow::Alive {
                self.free_side(index);
            }
            return flow;
        }
        self.after_queueing(index, queued)
    }

    pub(super) fn write_now(&mut self, index: u32, bytes: &[u8]) -> Flow {
        match self.send(index, bytes) {
            Err(_) => self.lose(index),
            Ok(written) if written == bytes.len() => Flow::Alive,
            Ok(written) => {
                let queued = self.queue(index, &bytes[written..]);
                self.after_queueing(index, queued)
            }
        }
    }

    /// Puts a copy of the bytes into the outbox. `false` when there is no buffer for them.
    pub(super) fn queue(&mut self, index: u32, bytes: &[u8]) -> bool {
        self.table.side_or_new(index).outbox.push(bytes, &mut self.pool)
    }

    /// Whether other output leaves in this iteration, or cannot: then more of it joins the queue, for one system call.
    pub(super) fn has_company(&self, index: u32) -> bool {
        let Self { table, tick, keepalive: Keepalive { lateness, .. }, .. } = self;
        table.entry(index).is_some_and(|(record, side)| is_in_company(record, side, *tick, lateness))
    }

    pub(super) fn after_queueing(&mut self, index: u32, queued: bool) -> Flow {
        if !queued {
            // The stream would have a hole: nothing can follow, not even a Close.
            return self.drop_connection(index, Closed::BuffersExhausted);
        }
        let id = self.table.id(index);
        let record = self.table.record_mut(index);
        if record.flags.has(Flags::BLOCKED) {
            self.pause(index);
            return Flow::Alive;
        }
        if !record.flags.replace(Flags::DIRTY) {
            self.dirty.push(id);
        }
        // No limit counts the Pongs among it: what a peer's Pings bring about must not pile up over several reads.
        if self.queued(index) >= REPLY_FLUSH_LEAST { self.write_outbox(index) } else { Flow::Alive }
    }

    /// Writes what was queued in this iteration for one connection, without waiting for its end.
    pub(super) fn write_at_once(&mut self, index: u32) -> Flow {
        let flags = self.table.record_mut(index).flags;
        if flags.has(Flags::DIRTY) && !flags.has(Flags::BLOCKED) {
            self.write_outbox(index)
        } else {
            Flow::Alive
        }
    }

    /// Writes what was queued in this iteration (RFC 6455-6.1-7).
    pub(super) fn write_queued(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            let Some(index) = self.table.find(id) else { continue };
            let record = self.table.record_mut(index);
            record.flags.clear(Flags::DIRTY);
            if !record.flags.has(Flags::BLOCKED) {
                let _ = self.write_outbox(index);
            }
        }
        // Kept for the next iteration, unless a burst has made it large.
        if dirty.capacity() <= LIST_KEEP {
            self.dirty = dirty;
        }
    }

    /// The kernel has room again.
    pub(super) fn unblock(&mut self, index: u32) -> Flow {
        if self.table.record_mut(index).flags.has(Flags::BLOCKED) {
            self.retry_writing(index)
        } else {
            Flow::Alive
        }
    }

    /// Writes to a connection whose kernel took less than it was given.
    pub(super) fn retry_writing(&mut self, index: u32) -> Flow {
        self.table.record_mut(index).flags.clear(Flags::BLOCKED);
        self.write_outbox(index)
    }

    /// A peer that does not read is not read from: what it sends would only make more output.
    fn pause(&mut self, index: u32) {
        if !self.table.record_mut(index).flags.replace(Flags::PAUSED) {
            self.stop_message_clock(index);
        }
    }

    /// Writes what waits, as much as the kernel takes.
    pub(super) fn write_outbox(&mut self, index: u32) -> Flow {
        while self.queued(index) > 0 {
            match self.send_outbox(index) {
                Ok(true) => {}
                Ok(false) => {
                    self.pause(index);
                    return Flow::Alive;
                }
                Err(_) => return self.lose(index),
            }
        }
        self.free_side(index);
        let id = self.table.id(index);
        let record = self.table.record_mut(index);
        if record.flags.has(Flags::PAUSED) {
            record.flags.clear(Flags::PAUSED);
            self.go_on_with_message_clock(index);
            self.queue_visit(id);
            self.extend_pong_deadline(index);
        }
        self.end_writing(index);
        Flow::Alive
    }

    /// One system call for the start of the outbox. `false` when the kernel took less than it was given.
    fn send_outbox(&mut self, index: u32) -> io::Result<bool> {
        let Self { table, os, pool, counters, tick, .. } = self;
        let Some((record, Some(side))) = table.entry_mut(index) else { return Ok(false) };
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = side.outbox.slices(&mut slices);
        let offered: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        let written = send_slices(os, record, counters, &slices[..filled])?;
        side.outbox.advance(written, pool);
        if written > 0 {
            side.taken_at = *tick;
        }
        Ok(written == offered)
    }

    /// One system call for bytes that are in no outbox.
    pub(super) fn send(&mut self, index: u32, bytes: &[u8]) -> io::Result<usize> {
        let Self { table, os, counters, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        send_bytes(os, record, counters, bytes)
    }
}

/// The same as [`Worker::has_company`] of a record at hand: a push asks for each connection, so what is rare is looked at last.
#[inline]
pub(super) fn is_in_company<S, D>(
    record: &Record<S, D>,
    side: Option<&Side>,
    tick: u32,
    lateness: &Lateness,
) -> bool {
    record.flags.has(Flags::BLOCKED)
        || side.is_some_and(|side| !side.outbox.is_empty())
        || (record.timer.deadline().is_some_and(|due| due <= tick) && pings_now(record.state, lateness))
}

/// Whether a connection whose timer is due is pinged in this iteration.
#[cold]
fn pings_now(state: State, lateness: &Lateness) -> bool {
    // Those of a worker that is late may have been put off.
    state == State::Open && !lateness.puts_pings_off()
}

/// A buffer emptied for its next use, no larger than is worth keeping.
pub(super) fn reusable(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    if bytes.capacity() > REPLY_KEEP {
        bytes.shrink_to(REPLY_KEEP);
    }
    bytes
}
