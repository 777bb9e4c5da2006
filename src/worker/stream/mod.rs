//! The bytes of connections: where they are received, and what of them and of what handlers send leaves.
//!
//! - `receive`: the one buffer that a worker receives in. `reply`, `deferred`: what leaves from there.

mod deferred;
mod receive;
mod reply;

pub(super) use deferred::DeferredReply;
pub(super) use receive::ReceiveBuffer;
pub(super) use reply::{Piece, Reply};
