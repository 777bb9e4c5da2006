//! Tokens of connections, and side records given back.

use super::core::Worker;
use super::handler::Handler;
use super::os::{Os, Token};
use super::table::{ConnId, Flags, Outbox};

impl<O: Os, H: Handler> Worker<O, H> {
    /// Whether the kernel takes nothing more at the moment.
    pub(super) fn is_blocked(&self, index: u32) -> bool {
        self.table.get(index).is_none_or(|record| record.flags.has(Flags::BLOCKED))
    }

    /// Bytes in the connection's outbox.
    pub(super) fn queued(&self, index: u32) -> usize {
        self.table.outbox(index).map_or(0, Outbox::len)
    }

    /// Bytes in the connection's outbox, and what keeping them costs.
    pub(super) fn weight(&self, index: u32) -> usize {
        self.table.outbox(index).map_or(0, Outbox::weight)
    }

    /// Frees the side record when there is nothing in it.
    pub(super) fn free_side(&mut self, index: u32) {
        if let Some(mut side) = self.table.take_empty_side(index) {
            side.clear(&mut self.pool);
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
