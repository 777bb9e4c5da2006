//! The handler's turn, and its operations on connections.

use std::cmp::Reverse;
use std::time::Duration;

use super::sessions::{Flow, Sessions};
use crate::base::largest::Largest;
use crate::worker::app::batch::{Batch, Pushed};
use crate::worker::app::closed::Closed;
use crate::worker::app::conn::SendError;
use crate::worker::app::handler::Handler;
use crate::worker::app::turn::{ConnectionAccess, Connections, Flush, Turn};
use crate::worker::os::Os;
use crate::worker::table::{ConnId, ConnIndex, Outbox};
use crate::ws::{CloseCode, CloseFrame, Message};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Sends a message to one connection. Returns `false` when there is no room.
    fn queue_direct_message(&mut self, index: ConnIndex, message: Message<'_>) -> bool {
        let (limit, opcode, payload) = (self.limits.outbox, message.opcode(), message.as_bytes());
        let room = limit.saturating_sub(self.streams.outbox_weight(index));
        if self.write_message(index, opcode, payload, room) {
            return true;
        }
        // A long message in the outbox must not block the client's answers.
        let kept = (limit / 2).saturating_sub(self.streams.table.outbox(index).map_or(0, Outbox::copied_len));
        kept > room && self.write_message(index, opcode, payload, kept)
    }

    /// Runs the handler's turn. Returns when the next one is due, and whether the handler's `close` was called for connections that ended
    /// during the turn. The handler may react to that in another turn, for which no other thread may wake the worker.
    pub(in crate::worker) fn run_turn(&mut self) -> (Turn, bool) {
        let Some(mut handler) = self.app.handler.take() else { return (Turn::Idle, false) };
        let turn = handler.turn(&mut Connections::new(self));
        (turn, self.app.end_turn(handler))
    }
}

impl<O: Os, H: Handler> ConnectionAccess<H::Data> for Sessions<O, H> {
    fn now(&self) -> Duration {
        self.streams.now
    }

    fn end(&self) -> u32 {
        self.streams.table.end()
    }

    fn id_of_open(&self, index: ConnIndex) -> Option<ConnId> {
        self.streams.table.is_open(index).then(|| self.streams.table.id(index))
    }

    fn data_mut(&mut self, index: ConnIndex) -> Option<&mut H::Data> {
        self.streams.table.get_mut(index)?.data.as_mut()
    }

    fn backlog(&self, index: ConnIndex) -> usize {
        self.streams.outbox_weight(index)
    }

    fn outbox_limit(&self) -> usize {
        self.limits.outbox
    }

    fn spare_backlog(&self) -> usize {
        self.streams.pool.spare_backlog()
    }

    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        let mut slowest = Largest::new(limit);
        // A connection with queued output has a side record, and few connections have one.
        for side in self.streams.table.sides().filter(|side| side.outbox.weight() > 0) {
            slowest.offer((side.outbox.weight(), Reverse(self.streams.table.id(side.owner()))));
        }
        slowest.into_sorted().map(|(weight, Reverse(id))| (id, weight)).collect()
    }

    fn push(&mut self, index: ConnIndex, batch: &mut Batch, flush: Flush) -> Pushed {
        self.push_batch(index, batch, flush)
    }

    fn send(&mut self, index: ConnIndex, message: Message<'_>) -> Result<(), SendError> {
        if !self.streams.table.is_open(index) {
            return Err(SendError::Gone);
        }
        if self.queue_direct_message(index, message) {
            return Ok(());
        }
        // Output that only waits for the end of the iteration does not make a peer slow.
        if self.streams.is_blocked(index) || self.streams.outbox_len(index) == 0 {
            return Err(SendError::OutboxFull);
        }
        match self.write_outbox(index) {
            Flow::Gone => Err(SendError::Gone),
            Flow::Alive if self.queue_direct_message(index, message) => Ok(()),
            Flow::Alive => Err(SendError::OutboxFull),
        }
    }

    fn close(&mut self, index: ConnIndex, code: CloseCode, reason: &str) {
        if self.streams.table.is_open(index) {
            let frame = CloseFrame { code: Some(code), reason };
            let _ = self.close_open(index, frame, Closed::ByUs(frame.into()));
        }
    }
}
