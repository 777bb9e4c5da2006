//! The connections of a worker with a part of their data, for a handler within another handler.

use std::time::Duration;

use super::batch::{Batch, Pushed};
use super::conn::SendError;
use super::turn::{ConnectionAccess, Connections, Flush};
use crate::worker::table::{ConnId, ConnIndex};
use crate::ws::{CloseCode, Message};

struct Part<'a, D, E> {
    all: &'a mut dyn ConnectionAccess<D>,
    part: fn(&mut D) -> &mut E,
}

impl<D> Connections<'_, D> {
    /// Calls `act` with the same connections and a part of their data, for a handler that passes its [turn](crate::Handler::turn) on to
    /// another handler whose data is that part.
    pub fn map<E, R>(
        &mut self,
        part: fn(&mut D) -> &mut E,
        act: impl FnOnce(&mut Connections<'_, E>) -> R,
    ) -> R {
        act(&mut Connections::new(&mut Part { all: self.access_mut(), part }))
    }
}

impl<D, E> ConnectionAccess<E> for Part<'_, D, E> {
    fn now(&self) -> Duration {
        self.all.now()
    }

    fn end(&self) -> u32 {
        self.all.end()
    }

    fn id_of_open(&self, index: ConnIndex) -> Option<ConnId> {
        self.all.id_of_open(index)
    }

    fn data_mut(&mut self, index: ConnIndex) -> Option<&mut E> {
        self.all.data_mut(index).map(self.part)
    }

    fn backlog(&self, index: ConnIndex) -> usize {
        self.all.backlog(index)
    }

    fn outbox_limit(&self) -> usize {
        self.all.outbox_limit()
    }

    fn spare_backlog(&self) -> usize {
        self.all.spare_backlog()
    }

    fn slowest(&self, limit: usize) -> Vec<(ConnId, usize)> {
        self.all.slowest(limit)
    }

    fn push(&mut self, index: ConnIndex, batch: &mut Batch, flush: Flush) -> Pushed {
        self.all.push(index, batch, flush)
    }

    fn send(&mut self, index: ConnIndex, message: Message<'_>) -> Result<(), SendError> {
        self.all.send(index, message)
    }

    fn close(&mut self, index: ConnIndex, code: CloseCode, reason: &str) {
        self.all.close(index, code, reason);
    }
}
