//! Messages that other threads send, to one connection or to all.

use super::sessions::{Flow, Sessions};
use super::visits::Visits;
use crate::budget::{BYTES_PER_WORK, WORK_OF_MESSAGE, outbox_for};
use crate::worker::app::batch::Batch;
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::app::prepared::{PreparedMessage, message_of};
use crate::worker::app::slices::{SliceBudget, SliceCursor};
use crate::worker::app::turn::{ConnectionAccess, Flush};
use crate::worker::os::Os;
use crate::worker::stream::compression::{Codec, MessageWriter, can_share_compressed};
use crate::worker::table::{ConnId, ConnIndex, Frame, MIN_CHUNK, State};
use crate::ws::deflate::DeflateParams;
use crate::ws::{CloseCode, CloseFrame, Opcode, encode};

/// The Close frame for a peer that reads too slowly.
const TOO_SLOW: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::POLICY_VIOLATION), reason: "messages are read too slowly" };

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Sends a message to one connection, if it is still open.
    pub(in crate::worker) fn deliver(&mut self, to: ConnId, frame: &Frame) {
        let Some(index) = self.find_open(to) else { return self.streams.counters.messages_to_nobody.add(1) };
        self.charge_for(frame);
        // The message leaves at the end of the iteration, with other output of this connection.
        if self.streams.table.record_mut(index).params.is_negotiated()
            && let Some((opcode, payload)) = message_of(frame)
        {
            self.deliver_negotiated(index, opcode, payload, frame.len());
        } else {
            // For a short frame a copy is cheaper than a reference.
            self.push_frame(index, frame, frame.len() < MIN_CHUNK);
        }
    }

    /// Sends a message to a connection that negotiated compression, compressed for that connection alone.
    fn deliver_negotiated(&mut self, index: ConnIndex, opcode: Opcode, payload: &[u8], len: usize) {
        let most = outbox_for(self.limits.outbox, len);
        if self.write_message(index, opcode, payload, most.saturating_sub(self.streams.outbox_len(index))) {
            return;
        }
        // Output that only waits for the end of the iteration does not make a peer slow.
        if !self.streams.is_blocked(index) && self.write_outbox(index) == Flow::Gone {
            return;
        }
        if self.streams.is_blocked(index) || !self.write_message(index, opcode, payload, most) {
            self.close_slow(index);
        }
    }

    fn charge_for(&mut self, frame: &Frame) {
        self.visits.meter.charge(WORK_OF_MESSAGE + frame.len() / BYTES_PER_WORK);
    }

    /// Queues a message for the end of the iteration, compressed where that was negotiated. Returns `false`, and sends nothing, when its
    /// frame has more than `room` bytes.
    pub(in crate::worker) fn write_message(
        &mut self,
        index: ConnIndex,
        opcode: Opcode,
        payload: &[u8],
        room: usize,
    ) -> bool {
        let mut encoded = std::mem::take(&mut self.streams.receive_buffer.reply_mut().bytes);
        let fits =
            self.with_message_writer(index, |writer| writer.write(&mut encoded, opcode, payload, room));
        if fits {
            self.streams.counters.messages_out.add(1);
            let _ = self.write_later(index, &encoded);
        }
        self.streams.receive_buffer.reply_mut().reuse(encoded);
        fits
    }

    /// Closes a connection that reads too slowly.
    pub(in crate::worker) fn close_slow(&mut self, index: ConnIndex) {
        let _ = self.close_open(index, TOO_SLOW, Closed::OutboxOverflow);
    }

    /// Calls `act` with the writer of a connection's messages.
    fn with_message_writer<T>(
        &mut self,
        index: ConnIndex,
        act: impl FnOnce(&mut MessageWriter<'_>) -> T,
    ) -> T {
        let mut windows = self.streams.table.side_mut(index).and_then(|side| side.windows.take());
        let params = self.streams.table.record_mut(index).params;
        let Self { codec: Codec { compressor, .. }, streams, visits: Visits { meter, .. }, .. } = self;
        let counters = &streams.counters;
        let result = act(&mut MessageWriter { compressor, params, windows: &mut windows, counters, meter });
        if windows.is_some() {
            self.streams.table.side_or_new(index).windows = windows;
        }
        result
    }

    /// Closes one connection, if it is still open.
    pub(in crate::worker) fn close_if_open(&mut self, id: ConnId, code: CloseCode, reason: &str) {
        if let Some(index) = self.find_open(id) {
            let frame = CloseFrame { code: Some(code), reason };
            let _ = self.close_open(index, frame, Closed::ByUs(frame.into()));
        }
    }

    /// Writes the next slice of a broadcast: sends the message to further open connections, as far as this iteration's budget allows.
    pub(in crate::worker) fn broadcast(&mut self, message: &PreparedMessage, cursor: &mut SliceCursor) {
        cursor.set_end(self.streams.table.end());
        let mut budget = self.slice_budget();
        let mut batch = Batch::default();
        batch.add(message.clone());
        cursor.advance(cursor.rest().map(ConnIndex::new), &mut budget, |index, budget| {
            if let Some(record) = self.streams.table.get(index).filter(|record| record.state() == State::Open)
            {
                let params = record.params;
                let frame = self.compressed(message, params).unwrap_or(message.frame());
                self.charge_for(frame);
                self.push(index, &mut batch, Flush::Now);
                self.charge_transports();
            }
            budget.step();
            if self.visits.meter.is_visit_spent() {
                *budget = SliceBudget::SPENT;
            }
        });
    }

    /// Returns the budget of a broadcast's slice, in connections: 0 when the iteration's work for mail is used up.
    fn slice_budget(&self) -> SliceBudget {
        if self.visits.meter.is_visit_spent() {
            SliceBudget::SPENT
        } else {
            SliceBudget::of_steps(self.limits.budgets.slice as usize)
        }
    }

    /// Returns the compressed form of a broadcast, where a connection with these parameters can decompress it. A connection with a small
    /// window gets larger messages uncompressed.
    pub(in crate::worker) fn compressed<'m>(
        &mut self,
        message: &'m PreparedMessage,
        params: DeflateParams,
    ) -> Option<&'m Frame> {
        if !can_share_compressed(message.frame().len(), params) {
            return None;
        }
        let Self { codec: Codec { compressor, .. }, visits: Visits { meter, .. }, .. } = self;
        message.compressed(|opcode, payload| {
            meter.charge(compressor.work(payload.len(), DeflateParams::NONE, &None));
            let compressed = compressor.compress_for_many(payload)?;
            let mut frame = Vec::with_capacity(encode::frame_len(compressed.len()));
            encode::compressed_frame(&mut frame, opcode, compressed, None);
            Some(frame.into())
        })
    }

    pub(in crate::worker) fn add_sent_to_window(&mut self, index: ConnIndex, message: &PreparedMessage) {
        if self.streams.table.record_mut(index).params.server_context_takeover()
            && let Some((_, payload)) = message_of(message.frame())
        {
            self.with_message_writer(index, |writer| {
                writer.compressor.add_to_window(payload, writer.params, writer.windows, writer.counters);
            });
        }
    }

    fn find_open(&self, id: ConnId) -> Option<ConnIndex> {
        let index = self.streams.table.find(id)?;
        // RFC 6455-6.1-1 and 6455-6.1-2: messages that are under way to a closing connection are not sent.
        self.streams.table.is_open(index).then_some(index)
    }
}
