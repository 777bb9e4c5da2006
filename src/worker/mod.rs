//! One core: an event loop, the connections that it holds, and everything that happens to them.
//!
//! This is the only room that uses mio. A [`Worker`] shares nothing with others but atomics and mailboxes. It reaches the operating system
//! through the [`Os`] trait alone.
//!
//! A room uses those below it in this list, and none above:
//!
//! - [`core`]: the loop and its phases, new connections, the end.
//! - [`session`]: the protocols of connections, their visits, and their deadlines.
//! - [`app`]: what handlers and other threads use.
//! - [`stream`]: the byte streams of connections: input that is received, and output that is written.
//! - [`table`]: all state of connections, as plain data, with their timers.
//! - [`os`]: the operating system.
//!
//! All of them use [`limits`].

mod app;
mod core;
mod limits;
mod os;
mod session;
mod stream;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use app::batch::{Batch, Pushed, SlowPolicy};
pub use app::closed::{CloseReason, Closed, Ending};
pub use app::conn::{Conn, SendError};
pub use app::connecting::{Connecting, Transport};
pub use app::decision::Decision;
pub use app::handle::Handle;
pub use app::handler::{Context, Handler};
pub use app::prepared::PreparedMessage;
pub use app::turn::{Connections, Flush, Turn};
pub use app::verdict::{Accept, Verdict};
pub use limits::PingPolicy;
pub use table::{ConnId, ConnIndex};

pub(crate) use app::mailbox::Inbox;
pub(crate) use app::notice::Notice;
pub(crate) use app::shared::Shared;
pub(crate) use core::acceptor::ListenerSlot;
pub(crate) use core::worker::{Worker, WorkerParts};
pub(crate) use limits::{Budgets, Deflation, Limits};
pub(crate) use os::linux::{Linux, listen_for_clients};
pub(crate) use table::record_bytes;
#[cfg(feature = "hub")]
pub(crate) use {
    app::prepared::message_of,
    app::slices::{SliceBudget, SliceCursor},
    table::Frame,
};

#[cfg(feature = "simulation")]
pub(crate) use app::shared::Stage;
#[cfg(any(test, feature = "simulation", feature = "guard"))]
pub(crate) use os::{Os, OutputStatus, PeerEnd, Ready, Token};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use {
    core::inspect::ConnectionSnapshot,
    table::{Flags, MIN_CHUNK, REFERENCE_OVERHEAD, State},
};
