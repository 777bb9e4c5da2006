//! The application's turn: once in each iteration it may act on any of its connections.

use std::fmt;
use std::time::Duration;

use super::batch::{Batch, Pushed};
use super::closed::CloseReason;
use super::conn::SendError;
use crate::worker::table::{ConnId, ConnIndex};
use crate::ws::{CloseCode, Message};

/// When a handler needs its next turn. The handler also gets a turn in each iteration of the worker's loop that happens for another reason:
/// input, a timer of the worker, or a wake-up by another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// No turn is needed for this handler: the worker waits until anything else happens.
    Idle,
    /// The next turn is at the latest after this time.
    Within(Duration),
    /// There is more to do: the next turn follows as soon as the sockets that are ready have been handled.
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
/// A connection is addressed by its [index](ConnId::index), a small number that no other connection of the worker has at the same time. The
/// index is the connection's from the call of [`Handler::open`](crate::Handler::open) to that of [`Handler::close`](crate::Handler::close):
/// a handler that keeps indices forgets them in `close`. To visit all connections, try each index below [`end`](Self::end).
///
/// For a connection that a turn closes, the worker calls `Handler::close` after that turn; another turn follows.
pub struct Connections<'a, D> {
    access: &'a mut dyn ConnectionAccess<D>,
}

impl<D> Connections<'_, D> {
    /// Returns the worker's monotonic time, from about its start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.access.now()
    }

    /// Returns a number that is greater than those of all [indices](ConnIndex) of open connections.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.access.end()
    }

    /// Returns the id of the connection with this index; `None` if no connection with it is open.
    #[must_use]
    pub fn id(&self, index: ConnIndex) -> Option<ConnId> {
        self.access.id_of_open(index)
    }

    /// Returns the application's data of a connection, mutably; `None` if no connection with this index is open.
    pub fn data_mut(&mut self, index: ConnIndex) -> Option<&mut D> {
        self.access.data_mut(index)
    }

    /// Returns the bytes that wait to be written to a connection, with the overhead of keeping them; 0 if no connection with this index is
    /// open.
    #[must_use]
    pub fn backlog(&self, index: ConnIndex) -> usize {
        self.access.backlog(index)
    }

    /// Returns the most bytes that may wait for a connection, with the overhead of keeping them.
    #[must_use]
    pub fn outbox_limit(&self) -> usize {
        self.access.outbox_limit()
    }

    /// Returns the `limit` connections with the most bytes of queued output, each with that number, in descending order.
    #[must_use]
    pub fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        self.access.slowest(limit)
    }

    /// Sends a batch of prepared messages to a connection, in one system call where the kernel takes it.
    pub fn push(&mut self, index: ConnIndex, batch: &mut Batch, flush: Flush) -> Pushed {
        self.access.push(index, batch, flush)
    }

    /// Returns how many more bytes of pushed messages may wait for slow connections of this worker.
    #[must_use]
    pub fn spare_backlog(&self) -> usize {
        self.access.spare_backlog()
    }

    /// Sends a message to one connection, at the end of the iteration. Half of the outbox is reserved for such messages, however many
    /// messages of a [`Batch`] wait in it.
    ///
    /// # Errors
    /// [`SendError::Gone`] if no connection with this index is open; [`SendError::OutboxFull`] when the message does not fit. Nothing is sent then.
    pub fn send(&mut self, index: ConnIndex, message: Message<'_>) -> Result<(), SendError> {
        self.access.send(index, message)
    }

    /// Closes a connection once everything sent so far is written. A text longer than 123 bytes is truncated.
    pub fn close(&mut self, index: ConnIndex, reason: impl Into<CloseReason>, text: &str) {
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

/// What a worker does for its handler's turn: [`Connections`] without the type of the operating system.
pub(in crate::worker) trait ConnectionAccess<D> {
    fn now(&self) -> Duration;
    fn end(&self) -> u32;
    fn id_of_open(&self, index: ConnIndex) -> Option<ConnId>;
    fn data_mut(&mut self, index: ConnIndex) -> Option<&mut D>;
    fn backlog(&self, index: ConnIndex) -> usize;
    fn outbox_limit(&self) -> usize;
    fn spare_backlog(&self) -> usize;
    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)>;
    fn push(&mut self, index: ConnIndex, batch: &mut Batch, flush: Flush) -> Pushed;
    fn send(&mut self, index: ConnIndex, message: Message<'_>) -> Result<(), SendError>;
    fn close(&mut self, index: ConnIndex, code: CloseCode, reason: &str);
}
