//! The protocols of connections: from the first byte of a request to the last of a Close.
//!
//! - `sessions`: all sessions of a worker, with what they share. `visits`: which connections are read from, for how long, and how much at a
//!   time.
//! - `preamble`: bytes that precede the transport. `opening`: the request that a connection begins with.
//! - `read`, `frames`, `dispatch`: reading input, decoding frames, and calling the handler. `eviction`: which message is evicted when buffer
//!   memory is used up.
//! - `flush`, `deferring`, `messages`, `push`: output, at once or later, to one connection or to many. `turn`: what the handler does in its
//!   turn.
//! - `close`: how connections end.
//! - `timers`, `final_read`: deadlines, and the input that is read before one is enforced.
//! - `keepalive`, `ping_schedule`, `ping`, `ping_throttle`: when peers get Pings, and with which payload.
//! - `late_pong`: how the deadline of a Pong is extended for a peer that has output to read first.

pub(super) mod close;
mod deferring;
mod dispatch;
mod eviction;
mod final_read;
mod flush;
mod frames;
pub(super) mod keepalive;
mod late_pong;
mod messages;
pub(super) mod opening;
pub(super) mod ping;
pub(super) mod ping_schedule;
mod ping_throttle;
mod preamble;
mod push;
mod read;
pub(super) mod sessions;
mod timers;
mod turn;
pub(super) mod visits;
