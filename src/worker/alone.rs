//! A worker by itself, for who looks at one: over a system that is none.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::accept::Listening;
use super::core::{Assembly, Worker};
use super::handle::Handle;
use super::handler::Handler;
use super::limits::Limits;
use super::mailbox::Wake;
use super::os::Os;
use super::shared::Shared;

impl<O: Os, H: Handler> Worker<O, H> {
    /// The only worker of a server with one listener, and the handle to it.
    ///
    /// # Errors
    /// When the listener cannot be watched.
    pub(crate) fn alone(
        os: O,
        listener: O::Listener,
        waker: Box<dyn Wake>,
        limits: Limits,
        make_handler: impl FnOnce(&Handle) -> H,
    ) -> io::Result<(Self, Handle)> {
        let (shared, mut inboxes) = Shared::new(vec![waker], limits.outbox);
        let handle = Handle { shared: Arc::new(shared) };
        let address = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)));
        let worker = Self::new(Assembly {
            os,
            handler: make_handler(&handle),
            limits,
            number: 0,
            handle: handle.clone(),
            inbox: inboxes.remove(0),
            listeners: vec![Listening { listener: Some(listener), address, ready: false }],
        })?;
        Ok((worker, handle))
    }
}
