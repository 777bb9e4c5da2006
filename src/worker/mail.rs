//! What other threads want: messages, broadcasts and closes from the mailbox.

use super::compression::{Outgoing, is_common};
use super::core::Worker;
use super::handler::{Closed, Handler};
use super::id::ConnId;
use super::mailbox::{Frame, Mail};
use super::os::Os;
use super::prepared::{PreparedMessage, message_of};
use super::record::State;
use super::write::reusable;
use crate::budget::MAILS_PER_ITERATION;
use crate::ws::deflate::Terms;
use crate::ws::{CloseCode, CloseFrame, Opcode, encode};

/// What a peer is told that reads too slowly.
const TOO_SLOW: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::POLICY_VIOLATION), reason: "messages are read too slowly" };

/// A message on its way to every connection of the worker.
#[derive(Debug)]
pub(super) struct Broadcast {
    message: PreparedMessage,
    /// Connections below this index have it.
    cursor: usize,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Handles mail in order. A broadcast to many goes out a slice at a time, between which sockets have their turn; what came
    /// after it waits.
    pub(super) fn handle_mail(&mut self) {
        for _ in 0..MAILS_PER_ITERATION {
            if self.broadcast.is_some() {
                return self.go_on_broadcasting();
            }
            match self.inbox.take() {
                None => return,
                Some(Mail::Send { to, frame }) => self.deliver(to, &frame),
                Some(Mail::Close { id, code, reason }) => self.close_by_mail(id, code, &reason),
                Some(Mail::Broadcast(message)) => self.broadcast = Some(Broadcast { message, cursor: 0 }),
            }
        }
        self.unfinished = true;
    }

    fn deliver(&mut self, to: ConnId, frame: &Frame) {
        let Some(index) = self.find_open(to) else { return self.counters.messages_to_nobody.add(1) };
        // It leaves at the end of the iteration, with what else there is for this connection. A copy, because nobody shares it
        // and the limit of buffers is to count it.
        if self.record_mut(index).terms.is_agreed()
            && let Some((opcode, payload)) = message_of(frame)
        {
            let room = self.limits.outbox.saturating_sub(self.queued(index));
            if !self.write_message(index, opcode, payload, room) {
                self.close_slow(index);
            }
        } else if self.may_push(index, frame.len()) {
            let _ = self.write_later(index, frame);
        }
    }

    /// Sends a message at the end of the iteration, compressed where that was agreed on. `false`, and nothing is sent, when its frame has
    /// more than `room` bytes.
    pub(super) fn write_message(&mut self, index: u32, opcode: Opcode, payload: &[u8], room: usize) -> bool {
        let mut encoded = std::mem::take(&mut self.reply.bytes);
        let fits = self.with_outgoing(index, |outgoing| outgoing.write(&mut encoded, opcode, payload, room));
        if fits {
            self.counters.messages_out.add(1);
            let _ = self.write_later(index, &encoded);
        }
        self.reply.bytes = reusable(encoded);
        fits
    }

    /// Closes a connection that reads too slowly.
    pub(super) fn close_slow(&mut self, index: u32) {
        let _ = self.close_open(index, TOO_SLOW, Closed::OutboxOverflow);
    }

    /// Lends what compresses a connection's messages.
    fn with_outgoing<T>(&mut self, index: u32, act: impl FnOnce(&mut Outgoing<'_>) -> T) -> T {
        let mut contexts = self.side_mut(index).and_then(|side| side.contexts.take());
        let terms = self.record_mut(index).terms;
        let Self { compressor, counters, meter, .. } = self;
        let result = act(&mut Outgoing { compressor, terms, contexts: &mut contexts, counters, meter });
        if contexts.is_some() {
            self.side_or_new(index).contexts = contexts;
        }
        result
    }

    fn close_by_mail(&mut self, id: ConnId, code: CloseCode, reason: &str) {
        if let Some(index) = self.find_open(id) {
            let frame = CloseFrame { code: Some(code), reason };
            let _ = self.close_open(index, frame, Closed::ByUs(frame));
        }
    }

    fn go_on_broadcasting(&mut self) {
        let Some(mut broadcast) = self.broadcast.take() else { return };
        let end = self.table.end().min(broadcast.cursor + self.limits.budgets.sweep);
        for at in broadcast.cursor..end {
            let Some(record) = self.table.get(at).filter(|record| record.state == State::Open) else {
                continue;
            };
            let terms = record.terms;
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            match self.compressed(&broadcast.message, terms) {
                Some(frame) => {
                    if self.may_push(index, frame.len()) {
                        self.counters.compressed_out.add(1);
                        self.remember_sent(index, &broadcast.message);
                        let _ = self.write_shared(index, frame);
                    }
                }
                None => {
                    if self.may_push(index, broadcast.message.plain().len()) {
                        let _ = self.write_shared(index, broadcast.message.plain());
                    }
                }
            }
        }
        broadcast.cursor = end;
        if end < self.table.end() {
            self.broadcast = Some(broadcast);
        }
        self.unfinished = true;
    }

    /// The compressed form of a broadcast, where there is one that a connection with these terms can read. One with a small
    /// window is sent larger messages as they are.
    pub(super) fn compressed<'m>(&mut self, message: &'m PreparedMessage, terms: Terms) -> Option<&'m Frame> {
        if !is_common(message.plain().len(), terms) {
            return None;
        }
        message.compressed(|opcode, payload| {
            let compressed = self.compressor.common_message(payload)?;
            let mut frame = Vec::with_capacity(encode::frame_len(compressed.len(), false));
            encode::compressed_frame(&mut frame, true, opcode, compressed, None);
            Some(frame.into())
        })
    }

    pub(super) fn remember_sent(&mut self, index: u32, message: &PreparedMessage) {
        if self.record_mut(index).terms.server_takeover()
            && let Some((_, payload)) = message_of(message.plain())
        {
            self.with_outgoing(index, |outgoing| {
                outgoing.compressor.remember(payload, outgoing.terms, outgoing.contexts, outgoing.counters);
            });
        }
    }

    /// Makes sure that a message nobody waits for fits the outbox, and counts it: when it does not fit, the connection has to
    /// go.
    fn may_push(&mut self, index: u32, len: usize) -> bool {
        let fits = len <= self.limits.outbox.saturating_sub(self.queued(index));
        self.count_or_close(index, fits && self.pool.can_lend(len))
    }

    fn count_or_close(&mut self, index: u32, fits: bool) -> bool {
        if fits {
            self.counters.messages_out.add(1);
        } else {
            self.close_slow(index);
        }
        fits
    }

    fn find_open(&self, id: ConnId) -> Option<u32> {
        let index = self.find(id)?;
        // RFC 6455-6.1-1 and 6455-6.1-2: what is under way to a connection that is closing goes nowhere.
        self.is_open(index).then_some(index)
    }
}
