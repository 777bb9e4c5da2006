//! The application's turn: once in each iteration it may look after any of its connections.

use std::fmt;
use std::time::Duration;

use super::batch::{Batch, Pushed};
use super::closed::CloseReason;
use super::conn::SendError;
use crate::worker::table::ConnId;
use crate::ws::{CloseCode, Message};

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

/// When pushed messages are written to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// At once.
    Now,
    /// At the end of the iteration, together with other output of the connection.
    Later,
}

/// The open connections of a worker, during its handler's [turn](crate::Handler::turn).
///
/// They are named by their [index](ConnId::index), which is theirs from the call of [`Handler::open`](crate::Handler::open) to that of
/// [`Handler::close`](crate::Handler::close). Closes that a turn brings about are told when it is over, and another turn follows.
pub struct Connections<'a, D> {
    access: &'a mut dyn ConnectionAccess<D>,
}

impl<D> Connections<'_, D> {
    /// The worker's time, since about its start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.access.now()
    }

    /// One more than the highest index there may be.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.access.end()
    }

    /// A connection's name; `None` where none is open.
    #[must_use]
    pub fn id(&self, index: u32) -> Option<ConnId> {
        self.access.id_of_open(index)
    }

    /// A connection's data, to change; `None` where none is open.
    pub fn data_mut(&mut self, index: u32) -> Option<&mut D> {
        self.access.data_mut(index)
    }

    /// Bytes that wait to be written to a connection, and what keeping them costs.
    #[must_use]
    pub fn backlog(&self, index: u32) -> usize {
        self.access.backlog(index)
    }

    /// The most bytes that may wait for a connection, with what keeping them costs.
    #[must_use]
    pub fn outbox_limit(&self) -> usize {
        self.access.outbox_limit()
    }

    /// The `limit` connections with the most bytes of queued output, each with that number, most first.
    #[must_use]
    pub fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        self.access.slowest(limit)
    }

    /// Sends a batch of prepared messages to a connection, in one system call where the kernel takes it.
    pub fn push(&mut self, index: u32, batch: &mut Batch, flush: Flush) -> Pushed {
        self.access.push(index, batch, flush)
    }

    /// Bytes of messages to many that may still wait for slow connections of this worker.
    #[must_use]
    pub fn spare_backlog(&self) -> usize {
        self.access.spare_backlog()
    }

    /// Sends a message to one connection; it leaves at the end of the iteration. Such messages find half of the outbox, however many of a
    /// [`Batch`] wait in it.
    ///
    /// # Errors
    /// [`SendError::Gone`] where none is open; [`SendError::OutboxFull`] when it does not fit: nothing is sent then.
    pub fn send(&mut self, index: u32, message: Message<'_>) -> Result<(), SendError> {
        self.access.send(index, message)
    }

    /// Closes a connection once everything sent so far is out. A text over 123 bytes is clipped.
    pub fn close(&mut self, index: u32, reason: impl Into<CloseReason>, text: &str) {
        self.access.close(index, reason.into().close_code(), text);
    }
}

impl<D> fmt::Debug for Connections<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("end", &self.end()).finish_non_exhaustive()
    }
}

impl<'a, D> Connections<'a, D> {
    pub(in crate::worker) fn new(access: &'a mut dyn ConnectionAccess<D>) -> Self {
        Self { access }
    }

    pub(super) fn access_mut(&mut self) -> &mut dyn ConnectionAccess<D> {
        self.access
    }
}

/// What a worker does for its handler's turn: [`Connections`] without the system's type.
pub(in crate::worker) trait ConnectionAccess<D> {
    fn now(&self) -> Duration;
    fn end(&self) -> u32;
    fn id_of_open(&self, index: u32) -> Option<ConnId>;
    fn data_mut(&mut self, index: u32) -> Option<&mut D>;
    fn backlog(&self, index: u32) -> usize;
    fn outbox_limit(&self) -> usize;
    fn spare_backlog(&self) -> usize;
    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)>;
    fn push(&mut self, index: u32, batch: &mut Batch, flush: Flush) -> Pushed;
    fn send(&mut self, index: u32, message: Message<'_>) -> Result<(), SendError>;
    fn close(&mut self, index: u32, code: CloseCode, reason: &str);
}
