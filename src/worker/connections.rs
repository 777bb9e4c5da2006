//! Connections found: by index, id and token, with their records and side records.

use super::core::Worker;
use super::handler::Handler;
use super::id::{ConnId, MAX_GENERATION};
use super::os::{Os, Token};
use super::outbox::Outbox;
use super::record::{Flags, Record, Side, SideId, State};
use super::table::Table;
use super::wheel::{Node, Nodes};

impl<O: Os, H: Handler> Worker<O, H> {
    /// Adds a connection and returns its index.
    pub(super) fn insert(&mut self, mut record: Record<O::Socket, H::Data>) -> u32 {
        record.generation = self.next_generation;
        self.next_generation = (self.next_generation + 1) & MAX_GENERATION;
        let index = self.table.insert(record);
        // The table holds at most MAX_CONNECTIONS_PER_WORKER, 2^26.
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The index of a connection, if it is still there.
    pub(super) fn find(&self, id: ConnId) -> Option<u32> {
        let record = self.table.get(id.index() as usize)?;
        (record.generation == id.generation()).then_some(id.index())
    }

    /// The record of a connection that was just found.
    pub(super) fn record_mut(&mut self, index: u32) -> &mut Record<O::Socket, H::Data> {
        self.table.get_mut(index as usize).expect("the connection is in the table")
    }

    pub(super) fn id(&self, index: u32) -> ConnId {
        let generation = self.table.get(index as usize).map_or(0, |record| record.generation);
        ConnId::new(self.number, generation, index)
    }

    pub(super) fn arm(&mut self, index: u32, deadline: u32) {
        self.wheel.arm(&mut self.table, index, deadline);
    }

    /// Whether messages may pass.
    pub(super) fn is_open(&self, index: u32) -> bool {
        self.table.get(index as usize).is_some_and(|record| record.state == State::Open)
    }

    /// Whether the kernel takes nothing more at the moment.
    pub(super) fn is_blocked(&self, index: u32) -> bool {
        self.table.get(index as usize).is_none_or(|record| record.flags.has(Flags::BLOCKED))
    }

    /// Bytes in the connection's outbox.
    pub(super) fn queued(&self, index: u32) -> usize {
        self.outbox(index).map_or(0, Outbox::len)
    }

    /// The same, and what keeping them costs.
    pub(super) fn weight(&self, index: u32) -> usize {
        self.outbox(index).map_or(0, Outbox::weight)
    }

    pub(super) fn outbox(&self, index: u32) -> Option<&Outbox> {
        let side = self.table.get(index as usize)?.side.index()?;
        self.sides.get(side).map(|side| &side.outbox)
    }

    /// The connection's side record, if it has one.
    pub(super) fn side_mut(&mut self, index: u32) -> Option<&mut Side> {
        let side = self.table.get(index as usize)?.side.index()?;
        self.sides.get_mut(side)
    }

    /// The connection's side record; a new one where it had none.
    pub(super) fn side_or_new(&mut self, index: u32) -> &mut Side {
        let Self { table, sides, .. } = self;
        let record = table.get_mut(index as usize).expect("the connection is in the table");
        let at = record.side.index().unwrap_or_else(|| {
            let at = sides.insert(Side::new(index));
            record.side = SideId::new(at);
            at
        });
        sides.get_mut(at).expect("a connection's side record is in its table")
    }

    /// Frees the side record when there is nothing in it.
    pub(super) fn free_side(&mut self, index: u32) {
        let record = self.record_mut(index);
        let Some(at) = record.side.index() else { return };
        if self.sides.get(at).is_none_or(Side::is_empty) {
            self.forget_message_clock(index);
            self.record_mut(index).side = SideId::NONE;
            if let Some(mut side) = self.sides.remove(at) {
                side.clear(&mut self.pool);
            }
        }
    }
}

/// The token under which a connection is watched.
pub(super) fn token_of(id: ConnId) -> Token {
    Token(u64::from(id.generation()) << 32 | u64::from(id.index()))
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
pub(super) fn id_of(worker: usize, token: Token) -> ConnId {
    ConnId::new(worker, (token.0 >> 32) as u32, token.0 as u32)
}

impl<S, D, const PAGE: usize> Nodes for Table<Record<S, D>, PAGE> {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a record").timer
    }
}

impl<const PAGE: usize> Nodes for Table<Side, PAGE> {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a side record").clock.timer
    }
}
