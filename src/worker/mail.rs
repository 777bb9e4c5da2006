//! What other threads want: messages, broadcasts and closes from the mailbox.

use super::core::Worker;
use super::handler::{Closed, Handler};
use super::id::ConnId;
use super::mailbox::{Frame, Mail};
use super::os::Os;
use super::record::State;
use crate::budget::{MAILS_PER_ITERATION, SWEEP_PER_ITERATION};
use crate::ws::{CloseCode, CloseFrame};

/// What a peer is told that reads too slowly.
const TOO_SLOW: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::POLICY_VIOLATION), reason: "messages are read too slowly" };

/// A message on its way to every connection of the worker.
#[derive(Debug)]
pub(super) struct Broadcast {
    frame: Frame,
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
                Some(Mail::Broadcast { frame }) => self.broadcast = Some(Broadcast { frame, cursor: 0 }),
            }
        }
        self.unfinished = true;
    }

    fn deliver(&mut self, to: ConnId, frame: &Frame) {
        match self.find_open(to) {
            Some(index) => {
                // It leaves at the end of the iteration, with what else there is for this connection. A copy, because nobody
                // shares it and the limit of buffers is to count it.
                if self.may_push(index, frame) {
                    let _ = self.write_later(index, frame);
                }
            }
            None => self.counters.messages_to_nobody.add(1),
        }
    }

    fn close_by_mail(&mut self, id: ConnId, code: CloseCode, reason: &str) {
        if let Some(index) = self.find_open(id) {
            let frame = CloseFrame { code: Some(code), reason };
            let _ = self.close_open(index, frame, Closed::ByUs(frame));
        }
    }

    fn go_on_broadcasting(&mut self) {
        let Some(mut broadcast) = self.broadcast.take() else { return };
        let end = self.table.end().min(broadcast.cursor + SWEEP_PER_ITERATION);
        for at in broadcast.cursor..end {
            if self.table.get(at).is_some_and(|record| record.state == State::Open) {
                let index = u32::try_from(at).unwrap_or(u32::MAX);
                if self.may_push(index, &broadcast.frame) {
                    let _ = self.write_shared(index, &broadcast.frame);
                }
            }
        }
        broadcast.cursor = end;
        if end < self.table.end() {
            self.broadcast = Some(broadcast);
        }
        self.unfinished = true;
    }

    /// Makes sure that a message nobody waits for fits the outbox, and counts it: when it does not fit, the connection has to
    /// go.
    fn may_push(&mut self, index: u32, frame: &Frame) -> bool {
        if frame.len() > self.limits.outbox.saturating_sub(self.queued(index)) {
            let _ = self.close_open(index, TOO_SLOW, Closed::OutboxOverflow);
            return false;
        }
        self.counters.messages_out.add(1);
        true
    }

    fn find_open(&self, id: ConnId) -> Option<u32> {
        let index = self.find(id)?;
        let record = self.table.get(index as usize)?;
        (record.state == State::Open).then_some(index)
    }
}
