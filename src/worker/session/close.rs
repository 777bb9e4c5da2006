//! How connections end: by a Close from either side, by a fault, or without a Close.

use super::opening::AT_LIMIT;
use super::sessions::{Flow, Sessions};
use crate::base::ticks::deadline;
use crate::budget::LINGER;
use crate::http::is_head_method;
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::stream::compression::update_window_bytes;
use crate::worker::table::{ConnIndex, Flags, State};
use crate::ws::{CloseCode, CloseFrame, DecodeError, encode};

/// The Close frame for every peer when the server ends.
pub(in crate::worker) const GOING_AWAY: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::GOING_AWAY), reason: "the server is going down" };

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Appends a Close frame to the current reply, calls the handler's `close`, and enters the state `next`: `Closing` to wait for the
    /// peer's Close, `Lingering` when nothing that the peer sends matters any more. The caller must then call
    /// [`flush_close`](Self::flush_close).
    pub(in crate::worker) fn close_with(
        &mut self,
        index: ConnIndex,
        frame: CloseFrame<'_>,
        why: Closed<'_>,
        next: State,
    ) {
        debug_assert!(matches!(next, State::Closing | State::Lingering));
        // RFC 6455-7.1.2-1 and 6455-7.3-2
        encode::close(&mut self.streams.receive_buffer.reply_mut().bytes, frame.code, frame.reason, None);
        self.call_handler_close(index, why);
        // RFC 6455-5.5.1-4: messages, Pings and broadcasts go to `Open` connections alone.
        self.streams.table.record_mut(index).set_state(next);
        self.streams.table.arm(index, deadline(self.streams.os.now(), self.limits.close_timeout));
    }

    /// Writes the reply that [`close_with`](Self::close_with) has appended to.
    pub(in crate::worker) fn flush_close(&mut self, index: ConnIndex) -> Flow {
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.end_writing(index);
        Flow::Alive
    }

    /// Closes an open connection from the server's side.
    pub(in crate::worker) fn close_open(
        &mut self,
        index: ConnIndex,
        frame: CloseFrame<'_>,
        why: Closed<'_>,
    ) -> Flow {
        self.close_with(index, frame, why, State::Closing);
        self.flush_close(index)
    }

    /// Handles the peer's Close. It is answered with the same code (RFC 6455-5.5.1-5 and 6455-5.5.1-6), or is the answer to the server's
    /// (RFC 6455-5.5.1-10). The server ends the TCP connection (RFC 6455-7.1.1-2). Where the peer may have sent more (`at_end` is `false`),
    /// it does so in a way that does not cause a reset (RFC 6455-7.1.1-1).
    pub(in crate::worker) fn answer_close(
        &mut self,
        index: ConnIndex,
        frame: CloseFrame<'_>,
        at_end: bool,
    ) -> Flow {
        if self.streams.table.record_mut(index).state() == State::Open {
            let answer = CloseFrame { code: frame.code, reason: "" };
            self.close_with(index, answer, Closed::ByPeer(frame.into()), State::Lingering);
        }
        // Pongs may follow the server's Close.
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        // RFC 6455-5.5.1-7, 6455-5.5.1-8, 6455-7.1.1-3 and 6455-7.1.2-2
        if at_end && !self.streams.has_unsent(index) {
            return self.discard(index);
        }
        self.streams.table.record_mut(index).set_state(State::Lingering);
        self.end_writing(index);
        Flow::Alive
    }

    /// Fails the connection (RFC 6455-7.1.7-2): sends a Close with the code of the error (RFC 6455-7.1.7-4 and 6455-10.7-2), and reads
    /// nothing more (RFC 6455-7.1.7-5).
    pub(in crate::worker) fn fail(&mut self, index: ConnIndex, error: DecodeError) -> Flow {
        if self.streams.table.record_mut(index).state() != State::Open {
            // The peer breaks the protocol after the server's Close, which is the last frame and must not be overtaken by a reset. Pongs of
            // this visit leave before the end of the writing half.
            if self.flush_reply(index) == Flow::Gone {
                return Flow::Gone;
            }
            self.streams.table.record_mut(index).set_state(State::Lingering);
            self.end_writing(index);
            return Flow::Alive;
        }
        let reason = match error {
            DecodeError::Protocol(error) => error.describe(),
            DecodeError::OutOfBuffers => "out of memory for messages, try again later",
        };
        let frame = CloseFrame { code: Some(error.close_code()), reason };
        self.close_with(index, frame, error.into(), State::Lingering);
        self.flush_close(index)
    }

    /// Writes the current reply as the last output and ends the connection.
    pub(in crate::worker) fn end_after_reply(&mut self, index: ConnIndex) -> Flow {
        self.streams.table.record_mut(index).set_state(State::Lingering);
        self.streams.table.arm(index, deadline(self.streams.os.now(), LINGER));
        let flow = self.flush_close(index);
        if flow == Flow::Alive {
            // The side record may hold parts of the request.
            self.streams.free_side(index);
        }
        flow
    }

    /// Fails a connection because its peer has broken the rules of the transport. The transport has sent an alert. Nothing of the stream is
    /// sent or received any more; the server waits for the peer's end.
    pub(in crate::worker) fn fail_transport(&mut self, index: ConnIndex) -> Flow {
        self.streams.counters.transport_errors.add(1);
        self.call_handler_close(index, Closed::Lost);
        self.streams.drop_stream(index);
        self.streams.table.record_mut(index).set_state(State::Lingering);
        self.streams.table.arm(index, deadline(self.streams.os.now(), LINGER));
        self.end_writing(index);
        // Input that has arrived already is read and discarded; no event would announce it.
        self.queue_visit(self.streams.table.id(index));
        Flow::Alive
    }

    /// Shuts down the writing half of a connection that has nothing left to send, once its output is written.
    pub(in crate::worker) fn end_writing(&mut self, index: ConnIndex) {
        if !self.streams.has_unsent(index) {
            self.streams.end_writing(index);
        } else if self.streams.is_blocked(index) {
            self.streams.track_late_close(index);
        }
    }

    /// Drops a connection that is lost, or at the end of its stream.
    pub(in crate::worker) fn drop_lost(&mut self, index: ConnIndex) -> Flow {
        self.drop_connection(index, Closed::Lost)
    }

    /// Drops a connection without a Close, and calls the handler's `close` where it has not been called.
    pub(in crate::worker) fn drop_connection(&mut self, index: ConnIndex, why: Closed<'_>) -> Flow {
        self.call_handler_close(index, why);
        self.discard(index)
    }

    /// Calls the handler's `close` for a connection, once, and counts the reason.
    fn call_handler_close(&mut self, index: ConnIndex, why: Closed<'_>) {
        let id = self.streams.table.id(index);
        let Some(data) = self.streams.table.record_mut(index).data.take() else { return };
        let counter = match why {
            Closed::ByPeer(_) => &self.streams.counters.closed_by_peer,
            Closed::ByUs(_) => &self.streams.counters.closed_by_us,
            Closed::Failed(_) => &self.streams.counters.protocol_errors,
            Closed::PongTimeout => &self.streams.counters.pong_timeouts,
            Closed::MessageTimeout => &self.streams.counters.message_timeouts,
            Closed::OutboxOverflow => &self.streams.counters.outbox_overflows,
            Closed::BuffersExhausted => &self.streams.counters.buffer_exhausted,
            Closed::Lost => &self.streams.counters.lost,
        };
        counter.add(1);
        self.streams.counters.open.decrement();
        self.app.close(id, data, why);
    }

    /// Removes a connection from all lists, and closes its socket.
    pub(in crate::worker) fn discard(&mut self, index: ConnIndex) -> Flow {
        self.streams.receive_buffer.clear_reply(&mut self.streams.pool);
        let Streams { table, pool, counters, .. } = &mut self.streams;
        let Some((record, window_bytes)) = table.remove(index, pool) else { return Flow::Gone };
        debug_assert!(record.data.is_none(), "the handler's `close` was not called");
        if window_bytes > 0 {
            update_window_bytes(counters, window_bytes, 0);
        }
        if record.flags.has(Flags::REFUSED) {
            self.refused -= 1;
        } else {
            self.common.remove_connection();
        }
        if record.state() == State::Deciding {
            self.app.decisions.forget(index);
        }
        self.streams.counters.sockets.decrement();
        self.streams.close(index, record);
        Flow::Gone
    }

    /// Closes a connection because the server ends. If `is_last`, it first handles all input that has arrived: the peer may have answered
    /// while the process was stopped.
    pub(in crate::worker) fn close_for_drain(&mut self, index: ConnIndex, is_last: bool) -> Flow {
        if is_last && self.read_all_arrived(index) == Flow::Gone {
            return Flow::Gone;
        }
        match self.streams.table.record_mut(index).state() {
            State::Open => {
                self.call_handler(index, H::going_away);
                self.streams.receive_buffer.reply_mut().close = None;
                self.close_open(index, GOING_AWAY, Closed::ByUs(GOING_AWAY.into()))
            }
            State::Handshaking => {
                let is_head_method =
                    self.streams.table.side_mut(index).is_some_and(|side| is_head_method(&side.head));
                self.refuse(index, AT_LIMIT, is_head_method)
            }
            State::Deciding => self.refuse_undecided(index),
            State::KeptAlive => self.end_after_reply(index),
            State::Closing | State::Lingering => Flow::Alive,
        }
    }
}
