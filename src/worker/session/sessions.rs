//! The sessions of a worker's connections, and what they share.

use std::sync::Arc;

use super::keepalive::Keepalive;
use super::visits::Visits;
use crate::http::Status;
use crate::worker::app::application::App;
use crate::worker::app::handler::Handler;
use crate::worker::app::notice::{Notice, logs_refusals};
use crate::worker::app::shared::Common;
use crate::worker::limits::Limits;
use crate::worker::os::{Os, Ready};
use crate::worker::stream::Streams;
use crate::worker::stream::compression::Codec;
use crate::worker::table::id_of;
use crate::worker::table::{ConnId, ConnIndex, Flags, TimerKind};

/// The sessions of a worker's connections: their protocols, their visits, and the handler that is called about them.
pub(in crate::worker) struct Sessions<O: Os, H: Handler> {
    /// The worker's number.
    pub(in crate::worker) number: usize,
    pub(in crate::worker) limits: Limits,
    pub(in crate::worker) common: Arc<Common>,
    pub(in crate::worker) streams: Streams<O, H::Data>,
    pub(in crate::worker) app: App<H>,
    pub(in crate::worker) keepalive: Keepalive,
    pub(in crate::worker) codec: Codec,
    pub(in crate::worker) visits: Visits,
    /// Deadlines that have passed and are checked again after the next final read: the connection, the timer and the tick at which it was
    /// due. Empty between phases.
    pub(in crate::worker) overdue: Vec<(ConnId, TimerKind, u32)>,
    /// The side record at which the next search for a message to evict begins.
    pub(in crate::worker) eviction_cursor: usize,
    /// Number of connections beyond the connection limit, which are kept only to be answered with 503.
    pub(in crate::worker) refused: usize,
    /// Whether the server ends: requests to open a WebSocket are refused.
    pub(in crate::worker) is_draining: bool,
}

/// Whether a connection is still in the table after an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(in crate::worker) enum Flow {
    Alive,
    Gone,
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles a readiness event of a socket.
    pub(in crate::worker) fn handle_socket(&mut self, event: Ready) {
        let id = id_of(self.number, event.token);
        self.write_deferred_to(id);
        let Some(index) = self.streams.table.find(id) else { return };
        if event.writable && self.unblock(index) == Flow::Gone {
            return;
        }
        let may_wait = self.visits.has_queued_visits();
        if !event.readable || (may_wait && self.streams.table.record_mut(index).flags.has(Flags::REVISIT)) {
            // The connection is read from in its turn among those that wait for another visit.
            return;
        }
        if self.visits.meter.is_iteration_spent() {
            self.streams.table.record_mut(index).flags.set(Flags::REVISIT);
            return self.visits.postponed.push_back(id);
        }
        let _ = self.visit_ready(index, event.read_closed);
    }

    /// Reads from connections that became ready after the last iteration's work was used up, before those that became ready in this one.
    pub(in crate::worker) fn visit_postponed(&mut self) {
        while !self.visits.postponed.is_empty() && !self.visits.meter.is_iteration_spent() {
            let Some(index) = self.visits.postponed.pop_front().and_then(|id| self.streams.table.find(id))
            else {
                continue;
            };
            self.streams.table.record_mut(index).flags.clear(Flags::REVISIT);
            // The event may have reported the peer's end: read until nothing is left.
            let _ = self.visit_ready(index, true);
        }
    }

    /// Reads again from connections that are queued for that without a new event.
    pub(in crate::worker) fn revisit_connections(&mut self) {
        self.visits.meter.begin_revisits();
        // Connections that are queued meanwhile wait for the next iteration.
        for _ in 0..self.visits.revisit.len() {
            if self.visits.meter.is_iteration_spent() {
                break;
            }
            let Some(id) = self.visits.revisit.pop_front() else { break };
            let Some(index) = self.streams.table.find(id) else { continue };
            self.streams.table.record_mut(index).flags.clear(Flags::REVISIT);
            // An earlier event may have reported the peer's end: read until nothing is left.
            let _ = self.revisit(index, true);
        }
        self.write_deferred();
        self.visits.free_spare_queues();
    }

    /// Logs, at a level that includes it, that a request or a connection before its request is refused.
    pub(in crate::worker) fn send_refusal_notice(
        &self,
        socket: &O::Socket,
        status: Status,
        reason: &'static str,
    ) {
        if logs_refusals() {
            let (worker, peer, status) = (self.number, self.streams.os.peer_address(socket), status.get());
            self.common.notices.send(Notice::Refused { worker, peer, status, reason });
        }
    }

    /// Logs, at a level that includes it, that a request did not arrive in time.
    pub(in crate::worker) fn send_handshake_timeout_notice(&self, index: ConnIndex) {
        if logs_refusals()
            && let Some(record) = self.streams.table.get(index)
        {
            let (worker, peer) = (self.number, self.streams.os.peer_address(&record.socket));
            self.common.notices.send(Notice::HandshakeTimeout { worker, peer });
        }
    }
}
