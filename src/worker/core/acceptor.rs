//! The listeners of a worker.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::budget::MAX_LISTENERS;
use crate::worker::os::{Os, Token};
use crate::worker::stream::ListenerOptions;

/// A listener of a worker, and the address at which to open it again.
#[derive(Debug)]
pub(crate) struct ListenerSlot<L> {
    /// The listener. `None` while the worker is not in the group.
    pub(in crate::worker) listener: Option<L>,
    /// The TCP address. `None` for a Unix socket, which all workers share: a worker that is not in the group does not watch it.
    pub(in crate::worker) address: Option<SocketAddr>,
    pub(in crate::worker) options: ListenerOptions,
    /// Whether connections may wait: accepting has not returned `EAGAIN` since the last event.
    pub(in crate::worker) ready: bool,
}

impl<L> ListenerSlot<L> {
    /// Makes the record of a listener: a TCP listener at `address`, or a Unix socket if `address` is `None`.
    pub(crate) const fn new(listener: L, address: Option<SocketAddr>) -> Self {
        Self { listener: Some(listener), address, options: ListenerOptions::PLAIN, ready: false }
    }

    pub(in crate::worker) const fn is_shared(&self) -> bool {
        self.address.is_none()
    }
}

/// A worker's listeners.
#[derive(Debug)]
pub(in crate::worker) struct Acceptor<L> {
    pub(in crate::worker) listeners: Vec<ListenerSlot<L>>,
    /// Whether the worker is in the group of workers that get new connections.
    pub(in crate::worker) in_group: bool,
    /// Whether the worker closes its listeners as soon as their queues are empty.
    pub(in crate::worker) is_leaving: bool,
    /// Whether the worker has yet to watch the listeners that the workers share.
    pub(in crate::worker) must_watch_shared: bool,
    /// The end of a pause in accepting.
    pub(in crate::worker) paused_until: Option<Duration>,
    /// The time before which the worker sends no further notice that the server is full.
    pub(in crate::worker) next_full_notice: Option<Duration>,
}

/// The bit that marks the token of a listener. The token of a connection does not have it.
pub(in crate::worker) const LISTENER: u64 = 1 << 31;

pub(in crate::worker) const fn is_listener(token: Token) -> bool {
    token.0 & LISTENER != 0
}

impl<L> Acceptor<L> {
    /// Takes the listeners of a worker, and begins to watch them.
    ///
    /// # Errors
    /// When a listener cannot be watched, or there are more than [`MAX_LISTENERS`].
    pub(in crate::worker) fn new<O: Os<Listener = L>>(
        listeners: Vec<ListenerSlot<L>>,
        os: &mut O,
    ) -> io::Result<Self> {
        if listeners.len() > MAX_LISTENERS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (token, slot) in (LISTENER..).zip(&listeners) {
            match &slot.listener {
                Some(listener) if slot.is_shared() => os.watch_exclusive(listener, Token(token))?,
                Some(listener) => os.watch_listener(listener, Token(token))?,
                None => {}
            }
        }
        Ok(Self {
            listeners,
            in_group: true,
            is_leaving: false,
            must_watch_shared: false,
            paused_until: None,
            next_full_notice: None,
        })
    }

    pub(in crate::worker) fn mark_ready(&mut self, token: Token) {
        let at = usize::try_from(token.0 & !LISTENER).unwrap_or(usize::MAX);
        if let Some(slot) = self.listeners.get_mut(at) {
            slot.ready = true;
        }
    }

    /// Returns `true` if a listener is still open.
    pub(in crate::worker) fn is_listening(&self) -> bool {
        self.listeners.iter().any(|slot| slot.listener.is_some())
    }

    /// Returns the end of the pause in accepting, if there is one.
    pub(in crate::worker) const fn retry_at(&self) -> Option<Duration> {
        self.paused_until
    }

    /// Makes the worker close its listeners once their queues are empty.
    pub(in crate::worker) fn leave(&mut self) {
        self.is_leaving = true;
        self.listeners.iter_mut().for_each(|slot| slot.ready = true);
    }
}
