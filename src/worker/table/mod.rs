//! All that a worker keeps of its connections, as plain data.
//!
//! - `connections`: the table, with the timers of all that is in it. `id`, `token`: what names a connection, and its events.
//! - `record`: what each connection has, and `tags` what kind of one it is. `side`: what few have.
//! - `outbox`, `message_clock`, `final_read`, `progress`: the parts of a side record.

mod connections;
mod final_read;
mod id;
mod message_clock;
mod outbox;
mod progress;
mod record;
mod side;
mod tags;
mod token;

pub(super) use connections::ConnectionTable;
pub(super) use final_read::Timer;
pub use id::ConnId;
pub(crate) use outbox::{CHUNK, ConflationKey, Frame, Outbox, REFERENCE};
pub(super) use progress::{LatePong, OutputProgress};
pub(crate) use record::{Flags, Record, record_bytes};
pub(crate) use side::{Side, Unread};
pub(crate) use tags::{ListenerIndex, Protocol, State, TransportKind};
pub(super) use token::{id_of, token_of};
