//! The application's turn: once in each iteration it may look after any of its connections.

use std::fmt;
use std::time::Duration;

use super::batch::{Batch, Pushed};
use super::conn::SendError;
use super::handler::{Closed, Handler};
use super::os::Os;
use super::sessions::{Flow, Sessions};
use super::table::{ConnId, Outbox};
use crate::budget::LIST_KEEP;
use crate::ws::{CloseCode, CloseFrame, Message};

/// When a handler wants its next turn. It comes earlier if anything happens on the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// With the next iteration, whenever that is.
    Idle,
    /// Within this time.
    Within(Duration),
    /// As soon as the sockets have had theirs: there is more to do.
    Again,
}

/// The open connections of a worker, during its handler's [turn](crate::Handler::turn).
///
/// They are named by their [index](ConnId::index), which is theirs from the call of [`Handler::open`](crate::Handler::open) to that of
/// [`Handler::close`](crate::Handler::close). Closes that a turn brings about are told when it is over, and another turn follows.
pub struct Connections<'a, D> {
    desk: &'a mut dyn Desk<D>,
}

impl<D> Connections<'_, D> {
    /// The worker's time, since about its start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.desk.now()
    }

    /// One more than the highest index there may be.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.desk.end()
    }

    /// A connection's name; `None` where none is open.
    #[must_use]
    pub fn id(&self, index: u32) -> Option<ConnId> {
        self.desk.id_of_open(index)
    }

    /// A connection's data, to change; `None` where none is open.
    pub fn data_mut(&mut self, index: u32) -> Option<&mut D> {
        self.desk.data_mut(index)
    }

    /// Bytes that wait to be written to a connection, and what keeping them costs.
    #[must_use]
    pub fn backlog(&self, index: u32) -> usize {
        self.desk.backlog(index)
    }

    /// The most bytes that may wait for a connection, with what keeping them costs.
    #[must_use]
    pub fn outbox_limit(&self) -> usize {
        self.desk.outbox_limit()
    }

    /// The connections for which most waits, at most `limit` of them, most first.
    #[must_use]
    pub fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        self.desk.slowest(limit)
    }

    /// Sends a batch of prepared messages to a connection, in one system call where the kernel takes it. With `later` they wait
    /// until the end of the iteration and leave together with others.
    pub fn push(&mut self, index: u32, batch: &mut Batch, later: bool) -> Pushed {
        self.desk.push(index, batch, later)
    }

    /// Bytes of messages to many that may still wait for slow connections of this worker.
    #[must_use]
    pub fn spare_backlog(&self) -> usize {
        self.desk.spare_backlog()
    }

    /// Sends a message to one connection; it leaves at the end of the iteration. Such messages find half of the outbox, however many of a
    /// [`Batch`] wait in it.
    ///
    /// # Errors
    /// [`SendError::Gone`] where none is open; [`SendError::OutboxFull`] when it does not fit: nothing is sent then.
    pub fn send(&mut self, index: u32, message: Message<'_>) -> Result<(), SendError> {
        self.desk.send(index, message)
    }

    /// Closes a connection once everything sent so far is out. A reason over 123 bytes is clipped.
    pub fn close(&mut self, index: u32, code: CloseCode, reason: &str) {
        self.desk.close(index, code, reason);
    }
}

impl<D> fmt::Debug for Connections<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("end", &self.end()).finish_non_exhaustive()
    }
}

impl<'a, D> Connections<'a, D> {
    pub(super) fn new(desk: &'a mut dyn Desk<D>) -> Self {
        Self { desk }
    }
}

/// What a worker does for its handler's turn: [`Connections`] without the system's type.
pub(super) trait Desk<D> {
    fn now(&self) -> Duration;
    fn end(&self) -> u32;
    fn id_of_open(&self, index: u32) -> Option<ConnId>;
    fn data_mut(&mut self, index: u32) -> Option<&mut D>;
    fn backlog(&self, index: u32) -> usize;
    fn outbox_limit(&self) -> usize;
    fn spare_backlog(&self) -> usize;
    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)>;
    fn push(&mut self, index: u32, batch: &mut Batch, later: bool) -> Pushed;
    fn send(&mut self, index: u32, message: Message<'_>) -> Result<(), SendError>;
    fn close(&mut self, index: u32, code: CloseCode, reason: &str);
}

/// A worker's handler, and what it has still to be told.
pub(super) struct App<H: Handler> {
    /// In its place but during its own turn.
    pub(super) handler: Option<H>,
    /// Connections that ended during the turn.
    pub(super) ended: Vec<Ended<H::Data>>,
}

impl<H: Handler> App<H> {
    pub(super) const fn new(handler: H) -> Self {
        Self { handler: Some(handler), ended: Vec::new() }
    }

    /// Tells the handler that a connection is over for it, or keeps that until its turn is over.
    pub(super) fn close(&mut self, id: ConnId, data: H::Data, why: Closed<'_>) {
        match &mut self.handler {
            Some(handler) => handler.close(id, data, why),
            None => self.ended.push(Ended::new(id, data, why)),
        }
    }
}

/// A connection that ended during the turn, of which the handler has to be told.
pub(super) struct Ended<D> {
    id: ConnId,
    data: D,
    why: Closed<'static>,
    reason: Box<str>,
}

impl<D> Ended<D> {
    pub(super) fn new(id: ConnId, data: D, why: Closed<'_>) -> Self {
        let (why, reason) = why.without_reason();
        Self { id, data, why, reason: reason.into() }
    }
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Sends a message that is for one connection alone; `false` where there is no room.
    fn write_answer(&mut self, index: u32, message: Message<'_>) -> bool {
        let (limit, opcode, payload) = (self.limits.outbox, message.opcode(), message.as_bytes());
        let room = limit.saturating_sub(self.streams.weight(index));
        if self.write_message(index, opcode, payload, room) {
            return true;
        }
        // A long message that waits must not cost the client its answers.
        let kept = (limit / 2).saturating_sub(self.streams.table.outbox(index).map_or(0, Outbox::copied));
        kept > room && self.write_message(index, opcode, payload, kept)
    }

    /// Gives the handler its turn. Returns when it wants the next one, and whether it has been told of connections that ended meanwhile: what
    /// they leave to do is done in another turn, for which nobody else may wake the worker.
    pub(super) fn take_turn(&mut self) -> (Turn, bool) {
        let Some(mut handler) = self.app.handler.take() else { return (Turn::Idle, false) };
        let turn = handler.turn(&mut Connections::new(self));
        let mut ended = std::mem::take(&mut self.app.ended);
        let are_any = !ended.is_empty();
        for Ended { id, data, why, reason } in ended.drain(..) {
            handler.close(id, data, why.with_reason(&reason));
        }
        // Kept for the next turn, unless a burst has made it large.
        if ended.capacity() <= LIST_KEEP {
            self.app.ended = ended;
        }
        self.app.handler = Some(handler);
        (turn, are_any)
    }
}

impl<O: Os, H: Handler> Desk<H::Data> for Sessions<O, H> {
    fn now(&self) -> Duration {
        self.streams.now
    }

    fn end(&self) -> u32 {
        self.streams.table.end()
    }

    fn id_of_open(&self, index: u32) -> Option<ConnId> {
        self.streams.table.is_open(index).then(|| self.streams.table.id(index))
    }

    fn data_mut(&mut self, index: u32) -> Option<&mut H::Data> {
        self.streams.table.get_mut(index)?.data.as_mut()
    }

    fn backlog(&self, index: u32) -> usize {
        self.streams.weight(index)
    }

    fn outbox_limit(&self) -> usize {
        self.limits.outbox
    }

    fn spare_backlog(&self) -> usize {
        self.streams.pool.spare_lendable()
    }

    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        // Whoever has something waiting has a side record, and few do.
        let waiting = self.streams.table.sides().filter(|side| side.outbox.weight() > 0);
        let mut all: Vec<_> =
            waiting.map(|side| (self.streams.table.id(side.owner()), side.outbox.weight())).collect();
        all.sort_unstable_by_key(|&(id, weight)| (std::cmp::Reverse(weight), id));
        all.truncate(limit);
        all
    }

    fn push(&mut self, index: u32, batch: &mut Batch, later: bool) -> Pushed {
        self.push_batch(index, batch, later)
    }

    fn send(&mut self, index: u32, message: Message<'_>) -> Result<(), SendError> {
        if !self.streams.table.is_open(index) {
            return Err(SendError::Gone);
        }
        if self.write_answer(index, message) {
            return Ok(());
        }
        // Whoever reads at once is not slow because of what waits for the end of the iteration.
        if self.streams.is_blocked(index) || self.streams.queued(index) == 0 {
            return Err(SendError::OutboxFull);
        }
        match self.write_outbox(index) {
            Flow::Gone => Err(SendError::Gone),
            Flow::Alive if self.write_answer(index, message) => Ok(()),
            Flow::Alive => Err(SendError::OutboxFull),
        }
    }

    fn close(&mut self, index: u32, code: CloseCode, reason: &str) {
        if self.streams.table.is_open(index) {
            let frame = CloseFrame { code: Some(code), reason };
            let _ = self.close_open(index, frame, Closed::ByUs(frame));
        }
    }
}
