//! Epoll tokens of connections.

use super::id::ConnId;
use crate::worker::os::Token;

/// Returns the token under which a connection is registered with epoll.
pub(in crate::worker) fn token_of(id: ConnId) -> Token {
    Token(u64::from(id.generation()) << 32 | u64::from(id.index().get()))
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
pub(in crate::worker) fn id_of(worker: usize, token: Token) -> ConnId {
    ConnId::new(worker, (token.0 >> 32) as u32, token.0 as u32)
}
