//! A worker without a server, for tests and measurements.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::acceptor::ListenerSlot;
use super::worker::{Worker, WorkerParts};
use crate::base::notifier::Wake;
use crate::worker::app::handle::Handle;
use crate::worker::app::handler::Handler;
use crate::worker::app::shared::Shared;
use crate::worker::limits::Limits;
use crate::worker::os::Os;

impl<O: Os, H: Handler> Worker<O, H> {
    /// Makes the only worker of a server with one listener. Returns the worker and the server's handle.
    ///
    /// # Errors
    /// When the listener cannot be watched.
    pub(crate) fn standalone(
        os: O,
        listener: O::Listener,
        waker: Box<dyn Wake>,
        limits: Limits,
        make_handler: impl FnOnce(&Handle) -> H,
    ) -> io::Result<(Self, Handle)> {
        let (shared, mut inboxes) = Shared::new(vec![waker], limits.outbox);
        let handle = Handle { shared: Arc::new(shared) };
        let address = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)));
        let worker = Self::new(WorkerParts {
            os,
            handler: make_handler(&handle),
            limits,
            number: 0,
            handle: handle.clone(),
            inbox: inboxes.remove(0),
            listeners: vec![ListenerSlot::new(listener, address)],
        })?;
        Ok((worker, handle))
    }
}
