//! Pushing a batch of prepared messages to one connection after another.

use std::io;

use super::sessions::{Flow, Sessions};
use crate::base::pool::Pool;
use crate::budget::outbox_for;
use crate::worker::app::batch::{Batch, Form, Pushed, SlowPolicy};
use crate::worker::app::handler::Handler;
use crate::worker::app::turn::Flush;
use crate::worker::os::Os;
use crate::worker::stream::compression::MOST_BITS;
use crate::worker::stream::{SocketWriter, Streams, has_other_output};
use crate::worker::table::{ConflationKey, ConnIndex, Flags, Frame, Outbox, REFERENCE_OVERHEAD, State};
use crate::ws::deflate::DeflateParams;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Sends the messages of a batch to one connection, at once or at the end of the iteration. The connection's outbox takes what the
    /// kernel does not take, or the batch's policy drops it.
    #[inline(always)]
    pub(in crate::worker) fn push_batch(
        &mut self,
        index: ConnIndex,
        batch: &mut Batch,
        flush: Flush,
    ) -> Pushed {
        let Streams { table, os, transports, pool, counters, tick, postpones_pings, .. } = &mut self.streams;
        let entry = table.entry_mut(index).filter(|(record, _)| record.state() == State::Open);
        let Some((record, side)) = entry else {
            return Pushed { undelivered: count(batch.len()), ..Pushed::default() };
        };
        let is_immediate =
            flush == Flush::Now && !has_other_output(record, side.as_deref(), *tick, *postpones_pings);
        if !is_immediate || batch.form(record.params) != Form::Uncompressed {
            return self.push_compressed_or_later(index, batch, is_immediate);
        }
        // The common case, with one access to the record.
        let bytes = batch.uncompressed_bytes();
        if bytes.is_empty() {
            return Pushed::default();
        }
        let sent = SocketWriter { os, transports, pool, counters }.send(index, record, bytes);
        if sent.as_ref().is_ok_and(|&written| written == bytes.len()) {
            let taken = count(batch.len());
            counters.messages_out.add(taken.into());
            return Pushed { taken, ..Pushed::default() };
        }
        self.queue_unsent(index, batch, Form::Uncompressed, sent)
    }

    /// Sends a batch that is compressed, or queues it.
    #[cold]
    fn push_compressed_or_later(
        &mut self,
        index: ConnIndex,
        batch: &mut Batch,
        is_immediate: bool,
    ) -> Pushed {
        let Some(params) = self.streams.table.get(index).map(|record| record.params) else {
            return Pushed::default();
        };
        let form = batch.form(params);
        let sent = if is_immediate && self.join_compressed(batch, form, params) {
            self.send_compressed(index, batch, params)
        } else {
            Ok(0)
        };
        self.queue_unsent(index, batch, form, sent)
    }

    /// Queues what was not sent of a batch.
    #[cold]
    fn queue_unsent(
        &mut self,
        index: ConnIndex,
        batch: &Batch,
        form: Form,
        sent: io::Result<usize>,
    ) -> Pushed {
        match sent {
            Ok(written) => self.queue_batch(index, batch, form, written),
            Err(_) => {
                let _ = self.drop_lost(index);
                Pushed { undelivered: count(batch.len()), ..Pushed::default() }
            }
        }
    }

    /// Joins the compressed frames of a batch. Returns `false` if the connection cannot get the bytes that other connections get.
    fn join_compressed(&mut self, batch: &mut Batch, form: Form, params: DeflateParams) -> bool {
        if form != Form::Compressed || params.server_window_bits() != MOST_BITS {
            return batch.len() == 1;
        }
        if batch.len() > 1 && batch.joined_compressed.is_empty() {
            for message in &batch.messages {
                let compressed = self.compressed(message, params);
                batch.joined_compressed.extend_from_slice(compressed.unwrap_or(message.frame()));
            }
        }
        true
    }

    /// Sends the bytes of a joined batch with one system call.
    fn send_compressed(
        &mut self,
        index: ConnIndex,
        batch: &Batch,
        params: DeflateParams,
    ) -> io::Result<usize> {
        match &batch.messages[..] {
            [only] => {
                let bytes = self.compressed(only, params).unwrap_or(only.frame());
                self.streams.send(index, bytes)
            }
            _ => self.streams.send(index, &batch.joined_compressed),
        }
    }

    /// Queues the rest of a batch, of which `written` bytes are written.
    fn queue_batch(&mut self, index: ConnIndex, batch: &Batch, form: Form, mut written: usize) -> Pushed {
        let mut pushed = Pushed::default();
        let mut has_queued = false;
        let Some(params) = self.streams.table.get(index).map(|record| record.params) else { return pushed };
        // Messages whose policy never drops queued messages are queued without a key, so that no message of another policy replaces them.
        let key = if batch.policy.drops_queued() { batch.key } else { ConflationKey::NONE };
        for (at, message) in batch.messages.iter().enumerate() {
            let compressed = if form == Form::Uncompressed { None } else { self.compressed(message, params) };
            let is_compressed = compressed.is_some();
            let frame = compressed.unwrap_or(message.frame());
            let key = if is_compressed && form == Form::WithContext { ConflationKey::NONE } else { key };
            let skip = written.min(frame.len());
            written -= skip;
            let queued = match skip {
                0 => self.queue_frame(index, frame, (key, batch.policy), false, &mut pushed.displaced),
                skip => self.queue_rest(index, frame, skip),
            };
            match queued {
                QueueOutcome::Sent => {}
                QueueOutcome::Queued => has_queued = true,
                QueueOutcome::Dropped => {
                    pushed.dropped += 1;
                    continue;
                }
                QueueOutcome::Closed | QueueOutcome::Gone => {
                    pushed.undelivered = count(batch.len() - at);
                    if queued == QueueOutcome::Gone {
                        pushed.undelivered += std::mem::take(&mut pushed.taken);
                    }
                    return pushed;
                }
            }
            pushed.taken += 1;
            self.streams.counters.messages_out.add(1);
            if is_compressed {
                self.streams.counters.compressed_out.add(1);
                if form == Form::WithContext {
                    self.add_sent_to_window(index, message);
                }
            }
        }
        if has_queued && self.after_queueing(index, true) == Flow::Gone {
            pushed.undelivered += std::mem::take(&mut pushed.taken);
        }
        pushed
    }

    /// Sends a frame at the end of the iteration, together with other output of the connection, as a copy or as a reference. Closes the
    /// connection if there is no room for it.
    pub(in crate::worker) fn push_frame(&mut self, index: ConnIndex, frame: &Frame, is_copied: bool) {
        let (key, policy) = (ConflationKey::NONE, SlowPolicy::Close);
        let queued = self.queue_frame(index, frame, (key, policy), is_copied, &mut 0);
        if matches!(queued, QueueOutcome::Sent | QueueOutcome::Queued) {
            self.streams.counters.messages_out.add(1);
        }
        if queued == QueueOutcome::Queued {
            let _ = self.after_queueing(index, true);
        }
    }

    /// Queues a frame. If there is no room for it, does what the policy says.
    fn queue_frame(
        &mut self,
        index: ConnIndex,
        frame: &Frame,
        (key, policy): (ConflationKey, SlowPolicy),
        is_copied: bool,
        displaced: &mut u32,
    ) -> QueueOutcome {
        // References to very many small frames would take much memory. A frame that may be dropped later has to stay a reference.
        let has_many = |outbox: &Outbox| outbox.prefers_copy(frame.len());
        let is_copied = is_copied
            || (key == ConflationKey::NONE && self.streams.table.outbox(index).is_some_and(has_many));
        let needed = if is_copied { frame.len() } else { frame.len() + REFERENCE_OVERHEAD };
        let room = FrameRoom { bytes: needed, most: outbox_for(self.limits.outbox, needed), is_copied };
        let must_write = |sessions: &Self| {
            let Streams { pool, .. } = &sessions.streams;
            !sessions.streams.is_blocked(index) && !room.fits(sessions.streams.outbox_weight(index), pool)
        };
        if must_write(self) {
            // Output that waits only for the end of the iteration, or for other connections, does not make a peer slow: it is written first.
            if self.write_outbox(index) == Flow::Gone {
                return QueueOutcome::Gone;
            }
            // The backlog of all connections is full: the frame is written at once.
            if must_write(self) {
                match self.streams.send(index, frame) {
                    Ok(0) => {}
                    Ok(written) => return self.queue_rest(index, frame, written),
                    Err(_) => {
                        let _ = self.drop_lost(index);
                        return QueueOutcome::Gone;
                    }
                }
            }
        }
        if !self.make_room(index, &room, (key, policy), displaced) {
            if policy == SlowPolicy::Close {
                self.close_slow(index);
                return QueueOutcome::Closed;
            }
            return QueueOutcome::Dropped;
        }
        if !is_copied || !self.streams.queue(index, frame) {
            self.streams.queue_shared(index, frame, 0, key);
        }
        QueueOutcome::Queued
    }

    /// Queues the rest of a frame of which `written` bytes are written, whatever the limits are: the stream must have no gap.
    fn queue_rest(&mut self, index: ConnIndex, frame: &Frame, written: usize) -> QueueOutcome {
        if written >= frame.len() {
            return QueueOutcome::Sent;
        }
        self.streams.queue_shared(index, frame, written, ConflationKey::NONE);
        QueueOutcome::Queued
    }

    /// Makes room in the outbox, as far as the policy may drop messages. Returns whether there is enough.
    fn make_room(
        &mut self,
        index: ConnIndex,
        room: &FrameRoom,
        (key, policy): (ConflationKey, SlowPolicy),
        displaced: &mut u32,
    ) -> bool {
        let Streams { table, pool, .. } = &mut self.streams;
        let Some((record, side)) = table.entry_mut(index) else { return false };
        let is_blocked = record.flags.has(Flags::BLOCKED);
        let Some(side) = side else { return room.fits(0, pool) };
        let outbox = &mut side.outbox;
        // While the kernel takes output, queued messages wait only for the end of the iteration: the peer is not slow and gets them all.
        if policy == SlowPolicy::Conflate && is_blocked {
            *displaced += outbox.drop_conflated(key, pool);
        }
        if policy.drops_queued() {
            *displaced += outbox.drop_oldest(pool, |weight, pool| room.fits(weight, pool));
        }
        room.fits(outbox.weight(), pool)
    }
}

/// Returns a number of messages in 32 bits.
fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

/// The room that a frame needs in an outbox.
struct FrameRoom {
    bytes: usize,
    /// The most that the outbox may weigh with the frame.
    most: usize,
    /// Whether the frame is copied. A reference counts among the shared frames that wait, which have a limit.
    is_copied: bool,
}

impl FrameRoom {
    /// Returns whether the frame fits an outbox of this weight.
    const fn fits(&self, weight: usize, pool: &Pool) -> bool {
        self.bytes <= self.most.saturating_sub(weight)
            && (self.is_copied || pool.has_backlog_room(self.bytes))
    }
}

/// The result of queueing a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueOutcome {
    /// The kernel took the whole frame.
    Sent,
    /// The frame or its rest is in the outbox.
    Queued,
    /// There was no room, and the policy dropped the frame.
    Dropped,
    /// There was no room, and the policy closed the connection.
    Closed,
    /// The connection was lost.
    Gone,
}
