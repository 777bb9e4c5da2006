//! Requests that wait for a decision.
//!
//! The worker does not read from a connection with such a request: later input waits in the kernel. When an event reports an end of the
//! stream, the worker asks the kernel which half has ended. The only deadline is that of the decision. When the decision is resolved, the worker
//! parses the request again, and reads from the connection without waiting for an event.

use std::ops::Range;

use super::routed::Routed;
use crate::base::ticks::deadline;
use crate::budget::WORK_OF_READ;
use crate::http::{HeadBuffer, HeadLimits, Refusal, Status, is_head_method, parse_head};
use crate::worker::app::decision::{DecisionResult, DecisionValue, PendingDecision};
use crate::worker::app::handler::Handler;
use crate::worker::os::{Os, PeerEnd};
use crate::worker::session::sessions::{Flow, Sessions};
use crate::worker::table::{ConnIndex, Flags, State};
use crate::ws::Buffers;
use crate::ws::handshake::RequestKind;

const TIMED_OUT: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "the server has not decided on the request in time");
const DROPPED: Refusal =
    Refusal::new(Status::SERVICE_UNAVAILABLE, "the server has given up deciding on the request");
const UNDECIDED: Refusal =
    Refusal::new(Status::INTERNAL_SERVER_ERROR, "the server could not decide on the request");

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Keeps a request until this decision is resolved, with the input that follows it in this range of the receive buffer.
    pub(super) fn await_decision(
        &mut self,
        index: ConnIndex,
        decision: PendingDecision,
        head: Vec<u8>,
        rest: Range<usize>,
    ) -> Flow {
        if !rest.is_empty() && !self.keep_unhandled(index, rest) {
            return self.refuse_kept_at_limit(index, head);
        }
        self.app.decisions.set_awaited(index, decision);
        self.streams.table.side_or_new(index).head = head;
        let record = self.streams.table.record_mut(index);
        record.set_state(State::Deciding);
        record.flags.set(Flags::PAUSED);
        self.streams.table.arm(index, deadline(self.streams.os.now(), self.limits.decision_timeout));
        Flow::Alive
    }

    /// Handles resolved decisions, until the meter is spent. Returns `true` if there may be more.
    pub(in crate::worker) fn handle_decisions(&mut self) -> bool {
        while !self.visits.meter.is_visit_spent() {
            let Some(returned) = self.app.decisions.take() else { return false };
            self.handle_decision(returned);
        }
        true
    }

    /// Handles a decision that was resolved or dropped. Its connection may be gone, or may wait for another decision.
    fn handle_decision(&mut self, DecisionResult { id, value }: DecisionResult) {
        self.visits.meter.charge(WORK_OF_READ);
        let Some(index) = self.streams.table.find(id.conn) else { return };
        if !self.app.decisions.is_awaited(index, id) {
            return;
        }
        let head = self.end_decision(index);
        let flow = match value {
            Some(value) => self.route_again(index, &head, value),
            None => {
                self.streams.counters.decisions_dropped.add(1);
                self.refuse_uncounted(index, DROPPED, is_head_method(&head))
            }
        };
        self.streams.pool.recycle(head);
        let _ = self.queue_read(index, flow);
    }

    /// Refuses the request of a decision that has timed out.
    pub(in crate::worker) fn expire_decision(&mut self, index: ConnIndex) -> Flow {
        self.streams.counters.decisions_timed_out.add(1);
        let head = self.end_decision(index);
        let is_head_method = is_head_method(&head);
        self.streams.pool.recycle(head);
        let flow = self.refuse_uncounted(index, TIMED_OUT, is_head_method);
        self.queue_read(index, flow)
    }

    /// Refuses a request that waits for a decision, because the server ends.
    pub(in crate::worker) fn refuse_undecided(&mut self, index: ConnIndex) -> Flow {
        let head = self.end_decision(index);
        let flow = self.refuse_kept_at_limit(index, head);
        self.queue_read(index, flow)
    }

    /// Ends the wait for a decision, and returns the head of the request.
    fn end_decision(&mut self, index: ConnIndex) -> Vec<u8> {
        self.app.decisions.forget(index);
        let is_written = self.streams.outbox_len(index) == 0;
        let record = self.streams.table.record_mut(index);
        record.set_state(State::Handshaking);
        if is_written {
            record.flags.clear(Flags::PAUSED);
        }
        self.streams.table.side_mut(index).map(|side| std::mem::take(&mut side.head)).unwrap_or_default()
    }

    /// Queues a visit: edge-triggered epoll makes no further event of input that arrived meanwhile.
    fn queue_read(&mut self, index: ConnIndex, flow: Flow) -> Flow {
        if flow == Flow::Alive {
            self.streams.free_side(index);
            self.queue_visit(self.streams.table.id(index));
        }
        flow
    }

    /// Asks the handler again, with the value that the decision was resolved with.
    fn route_again(&mut self, index: ConnIndex, head: &[u8], value: DecisionValue) -> Flow {
        let mut fields = HeadBuffer::new(self.limits.head);
        let routed = match parse_head(head, &mut fields) {
            Ok(Some((request, _))) => self.route(index, &request, Some(value)),
            Ok(None) => Err(UNDECIDED),
            Err(refusal) => Err(refusal),
        };
        match routed {
            Ok(Routed::WebSocket) => {
                let at = self.streams.receive_buffer.input_start();
                // The handler may have closed the connection.
                if self.handle_frames(index, at..at, false) == Flow::Gone {
                    return Flow::Gone;
                }
                self.flush_reply(index)
            }
            Ok(Routed::Answered) => {
                self.keep_alive_after_response(index);
                self.flush_reply(index)
            }
            Ok(Routed::Ended) => self.end_after_reply(index),
            Ok(Routed::Later(_)) => self.refuse(index, UNDECIDED, is_head_method(head)),
            Err(refusal) => self.refuse(index, refusal, is_head_method(head)),
        }
    }

    /// Drops a connection that waits for a decision, if its peer has ended it so far that it cannot use the response.
    #[cold]
    pub(in crate::worker) fn drop_if_abandoned(&mut self, index: ConnIndex) -> Flow {
        let Some((record, side)) = self.streams.table.entry(index) else { return Flow::Gone };
        let can_use_response = match self.streams.os.peer_end(&record.socket) {
            PeerEnd::Nothing => true,
            // A client may end its half behind its last request and read the response (RFC 9112 section 9.6 has a server do so as well). It
            // cannot use a WebSocket: it could send no Close, without which the connection is not closed cleanly (RFC 6455, section 7.1.4).
            PeerEnd::WritingHalf => side.is_none_or(|side| !asks_for_websocket(&side.head, self.limits.head)),
            PeerEnd::Connection => false,
        };
        if can_use_response { Flow::Alive } else { self.drop_lost(index) }
    }
}

/// Returns whether a complete request head asks for a WebSocket.
fn asks_for_websocket(head: &[u8], limits: HeadLimits) -> bool {
    let mut fields = HeadBuffer::new(limits);
    let parsed = parse_head(head, &mut fields);
    matches!(parsed, Ok(Some((request, _))) if matches!(RequestKind::of(&request), Ok(RequestKind::WebSocket(_))))
}
