//! A worker's handler and the close events that are queued for it.

use super::closed::Closed;
use super::decision::Decisions;
use super::handler::Handler;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::worker::table::ConnId;

/// A worker's handler and the close events that are queued for it.
pub(in crate::worker) struct App<H: Handler> {
    /// `None` during the handler's own turn. Boxed, because a turn moves it, and a handler may be large.
    pub(in crate::worker) handler: Option<Box<H>>,
    /// Connections that ended during the turn; the handler is called for each after it.
    pub(in crate::worker) pending_closes: Vec<PendingClose<H::Data>>,
    /// The handler's pending decisions, and the queue of their results.
    pub(in crate::worker) decisions: Decisions,
}

impl<H: Handler> App<H> {
    pub(in crate::worker) fn new(handler: H, decisions: Decisions) -> Self {
        Self { handler: Some(Box::new(handler)), pending_closes: Vec::new(), decisions }
    }

    /// Puts the handler back after its turn and calls [`Handler::close`] for each connection that ended during the turn. Returns `true` if
    /// there were any.
    pub(in crate::worker) fn end_turn(&mut self, mut handler: Box<H>) -> bool {
        let mut pending_closes = std::mem::take(&mut self.pending_closes);
        let are_any = !pending_closes.is_empty();
        for PendingClose { id, data, why, reason } in pending_closes.drain(..) {
            handler.close(id, data, why.with_reason(&reason));
        }
        // The list keeps its capacity for the next turn, unless a burst has made it large.
        self.pending_closes = pending_closes;
        free_spare(&mut self.pending_closes, LIST_KEEP);
        self.handler = Some(handler);
        are_any
    }

    /// Calls [`Handler::close`] for a connection, or queues the call until the handler's turn is over.
    pub(in crate::worker) fn close(&mut self, id: ConnId, data: H::Data, why: Closed<'_>) {
        match &mut self.handler {
            Some(handler) => handler.close(id, data, why),
            None => self.pending_closes.push(PendingClose::new(id, data, why)),
        }
    }
}

/// A connection that ended during the turn, for which [`Handler::close`] is still to be called.
pub(in crate::worker) struct PendingClose<D> {
    id: ConnId,
    data: D,
    why: Closed<'static>,
    reason: Box<str>,
}

impl<D> PendingClose<D> {
    pub(in crate::worker) fn new(id: ConnId, data: D, why: Closed<'_>) -> Self {
        let (why, reason) = why.without_reason();
        Self { id, data, why, reason: reason.into() }
    }
}
