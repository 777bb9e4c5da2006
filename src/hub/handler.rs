//! The handler of a server with a hub.

use std::fmt;

use super::broker::local::LocalBroker;
use super::core::client_state::ClientState;
use super::core::worker_hub::WorkerHub;
use crate::http::Request;
use crate::worker::{Closed, Conn, ConnId, Connecting, Connections, Handler, Turn, Verdict};
use crate::ws::Message;

/// The handler of a [`Hub`](super::Hub)'s worker.
pub struct HubHandler {
    hub: WorkerHub<LocalBroker>,
}

impl HubHandler {
    pub(super) const fn new(hub: WorkerHub<LocalBroker>) -> Self {
        Self { hub }
    }

    /// What the worker's hub holds.
    #[cfg(feature = "simulation")]
    pub(crate) fn inventory(&self) -> super::inspect::Inventory {
        self.hub.inventory(self.hub.broker().inventory())
    }
}

impl Handler for HubHandler {
    type Data = ClientState;

    const ENVELOPES: bool = <WorkerHub<LocalBroker> as Handler>::ENVELOPES;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<ClientState> {
        self.hub.upgrade(connecting)
    }

    fn open(&mut self, conn: &mut Conn<'_, ClientState>, request: &Request<'_>) {
        self.hub.open(conn, request);
    }

    fn message(&mut self, conn: &mut Conn<'_, ClientState>, message: Message<'_>) {
        self.hub.message(conn, message);
    }

    fn farewell(&mut self, conn: &mut Conn<'_, ClientState>) {
        self.hub.farewell(conn);
    }

    fn close(&mut self, id: ConnId, data: ClientState, how: Closed<'_>) {
        self.hub.close(id, data, how);
    }

    fn turn(&mut self, connections: &mut Connections<'_, ClientState>) -> Turn {
        self.hub.turn(connections)
    }
}

impl fmt::Debug for HubHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubHandler").field("hub", &self.hub).finish()
    }
}
