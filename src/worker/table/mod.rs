//! All state that a worker keeps of its connections, as plain data.
//!
//! - `connections`: the table, with its timers. `id`, `token`: names of connections, and of their events.
//! - `record`: the record of each connection; `tags`: its state, protocol and transport. `side`: the side record, which few connections
//!   have.
//! - `outbox`, `message_deadline`, `final_read`, `progress`: the parts of a side record.

mod connections;
mod final_read;
mod id;
mod message_deadline;
mod outbox;
mod progress;
mod record;
mod side;
mod tags;
mod token;

pub(super) use connections::ConnectionTable;
pub(super) use final_read::TimerKind;
pub use id::{ConnId, ConnIndex};
pub(crate) use outbox::{ConflationKey, Frame, MIN_CHUNK, Outbox, REFERENCE_OVERHEAD};
pub(super) use progress::{LatePong, OutputProgress};
pub(crate) use record::{Flags, Record, record_bytes};
pub(crate) use side::{SideRecord, UnhandledInput};
pub(crate) use tags::{ListenerIndex, Protocol, State, TransportKind};
pub(super) use token::{id_of, token_of};
