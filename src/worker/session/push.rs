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
use crate::worker::table::{ConflationKey, ConnIndex, Flags, REFERENCE_OVERHEAD, State};
use crate::ws::deflate::DeflateParams;

impl<O: Os, H: Handler> Sessions<O, H> {
    pub(in crate::worker) fn push_batch(
        &mut self,
        index: ConnIndex,
        batch: &mut Batch,
        flush: Flush,
    ) -> Pushed {
        let Streams { table, os, transports, pool, counters, tick, postpones_pings, .. } = &mut self.streams;
        let entry = table.entry_mut(index).filter(|(record, _)| record.state() == State::Open);
        let all = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let Some((record, side)) = entry else { return Pushed { undelivered: all, ..Pushed::default() } };
        if batch.is_empty() {
            return Pushed::default();
        }
        let (form, params) = (batch.form(record.params), record.params);
        if flush == Flush::Later || has_other_output(record, side.as_deref(), *tick, *postpones_pings) {
            return self.queue_batch(index, batch, form, 0);
        }
        // The common case, with one access to the record.
        let sent = if form == Form::Uncompressed {
            let bytes = batch.uncompressed_bytes();
            let sent = SocketWriter { os, transports, pool, counters }.send(index, record, bytes);
            if sent.as_ref().is_ok_and(|&written| written == bytes.len()) {
                counters.messages_out.add(u64::from(all));
                return Pushed { taken: all, ..Pushed::default() };
            }
            sent
        } else if self.join_compressed(batch, form, params) {
            self.send_compressed(index, batch, params)
        } else {
            Ok(0)
        };
        let Ok(written) = sent else {
            let _ = self.drop_lost(index);
            return Pushed { undelivered: all, ..Pushed::default() };
        };
        self.queue_batch(index, batch, form, written)
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
            let goes = if written >= frame.len() {
                written -= frame.len();
                true
            } else if written > 0 {
                // A part of the frame is written: the rest has to follow, whatever the limits are.
                self.streams.queue_shared(index, frame, written, ConflationKey::NONE);
                (written, has_queued) = (0, true);
                true
            } else {
                let key = if is_compressed && form == Form::WithContext { ConflationKey::NONE } else { key };
                if self.should_write_first(index, frame.len()) && self.write_outbox(index) == Flow::Gone {
                    let left = u32::try_from(batch.len() - at).unwrap_or(u32::MAX);
                    pushed.undelivered += left + std::mem::take(&mut pushed.taken);
                    return pushed;
                }
                let fits = self.make_room(index, frame.len(), key, batch.policy, &mut pushed.displaced);
                if fits {
                    self.streams.queue_shared(index, frame, 0, key);
                    has_queued = true;
                } else if batch.policy == SlowPolicy::Close {
                    pushed.undelivered = u32::try_from(batch.len() - at).unwrap_or(u32::MAX);
                    self.close_slow(index);
                    return pushed;
                }
                fits
            };
            if !goes {
                pushed.dropped += 1;
                continue;
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

    /// Returns whether a frame has no room because of output that only waits for the end of the iteration. That is to be written first:
    /// such output does not make a peer slow.
    fn should_write_first(&self, index: ConnIndex, len: usize) -> bool {
        let (needed, weight) = (len + REFERENCE_OVERHEAD, self.streams.weight(index));
        weight > 0
            && needed + weight > outbox_for(self.limits.outbox, needed)
            && !self.streams.is_blocked(index)
    }

    /// Returns whether a frame fits the outbox, after the policy has dropped what it may.
    fn make_room(
        &mut self,
        index: ConnIndex,
        len: usize,
        key: ConflationKey,
        policy: SlowPolicy,
        displaced: &mut u32,
    ) -> bool {
        let needed = len + REFERENCE_OVERHEAD;
        let limit = outbox_for(self.limits.outbox, needed);
        let Streams { table, pool, .. } = &mut self.streams;
        let Some((record, side)) = table.entry_mut(index) else { return false };
        let is_blocked = record.flags.has(Flags::BLOCKED);
        let Some(side) = side else {
            return pool.has_backlog_room(needed);
        };
        let outbox = &mut side.outbox;
        let fits =
            |weight: usize, pool: &Pool| needed <= limit - weight.min(limit) && pool.has_backlog_room(needed);
        // While the kernel takes output, queued messages wait only for the end of the iteration: the peer is not slow and gets them all.
        if policy == SlowPolicy::Conflate && is_blocked {
            *displaced += outbox.drop_conflated(key, pool);
        }
        if policy.drops_queued() {
            *displaced += outbox.drop_oldest(pool, fits);
        }
        fits(outbox.weight(), pool)
    }
}
