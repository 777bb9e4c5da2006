//! How connections end: by a Close from either side, for a fault, or without a word.

use super::opening::AT_LIMIT;
use super::sessions::{Flow, Sessions};
use crate::base::ticks::deadline;
use crate::budget::LINGER;
use crate::http::is_head;
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::stream::compression::count_context;
use crate::worker::table::{Flags, State};
use crate::ws::{CloseCode, CloseFrame, DecodeError, encode};

/// What every peer is told when the server ends.
pub(in crate::worker) const GOING_AWAY: CloseFrame<'static> =
    CloseFrame { code: Some(CloseCode::GOING_AWAY), reason: "the server is going down" };

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Puts a Close frame behind the replies at hand, tells the handler, and goes on to `next`: `Closing` to await the peer's
    /// Close, `Finishing` when nothing the peer says matters any more. Follow it with [`flush_close`](Self::flush_close).
    pub(in crate::worker) fn close_with(
        &mut self,
        index: u32,
        frame: CloseFrame<'_>,
        why: Closed<'_>,
        next: State,
    ) {
        debug_assert!(matches!(next, State::Closing | State::Finishing));
        // RFC 6455-7.1.2-1 and 6455-7.3-2
        encode::close(&mut self.streams.receive.reply_mut().bytes, frame.code, frame.reason, None);
        self.conclude(index, why);
        // RFC 6455-5.5.1-4: messages, Pings and broadcasts go to `Open` connections alone.
        self.streams.table.record_mut(index).set_state(next);
        self.streams.table.arm(index, deadline(self.streams.os.now(), self.limits.close_timeout));
    }

    /// Writes what [`close_with`](Self::close_with) put down.
    pub(in crate::worker) fn flush_close(&mut self, index: u32) -> Flow {
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.end_writing(index);
        Flow::Alive
    }

    /// Closes an open connection from our side.
    pub(in crate::worker) fn close_open(
        &mut self,
        index: u32,
        frame: CloseFrame<'_>,
        why: Closed<'_>,
    ) -> Flow {
        self.close_with(index, frame, why, State::Closing);
        self.flush_close(index)
    }

    /// The peer's Close has come: it is answered with the same code (RFC 6455-5.5.1-5 and 6455-5.5.1-6), or is the answer to ours
    /// (RFC 6455-5.5.1-10). The server ends the TCP connection (RFC 6455-7.1.1-2); where the peer may have sent more (`at_end` is
    /// `false`), in a way that does not turn into a reset (RFC 6455-7.1.1-1).
    pub(in crate::worker) fn answer_close(
        &mut self,
        index: u32,
        frame: CloseFrame<'_>,
        at_end: bool,
    ) -> Flow {
        if self.streams.table.record_mut(index).state() == State::Open {
            let answer = CloseFrame { code: frame.code, reason: "" };
            self.close_with(index, answer, Closed::ByPeer(frame.into()), State::Finishing);
        }
        // After our Close there can be Pongs.
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        // RFC 6455-5.5.1-7, 6455-5.5.1-8, 6455-7.1.1-3 and 6455-7.1.2-2
        if at_end && !self.streams.has_unsent(index) {
            return self.discard(index);
        }
        self.streams.table.record_mut(index).set_state(State::Finishing);
        self.end_writing(index);
        Flow::Alive
    }

    /// Fails the connection (RFC 6455-7.1.7-2): a Close with the code of the error (RFC 6455-7.1.7-4 and 6455-10.7-2), and
    /// nothing more is read (RFC 6455-7.1.7-5).
    pub(in crate::worker) fn fail(&mut self, index: u32, error: DecodeError) -> Flow {
        if self.streams.table.record_mut(index).state() != State::Open {
            // It breaks the protocol after our Close, which is all there is to say, and must not be overtaken by a reset.
            // Pongs of this visit go before the end of our half.
            if self.flush_reply(index) == Flow::Gone {
                return Flow::Gone;
            }
            self.streams.table.record_mut(index).set_state(State::Finishing);
            self.end_writing(index);
            return Flow::Alive;
        }
        let reason = match error {
            DecodeError::Protocol(error) => error.describe(),
            DecodeError::OutOfBuffers => "out of memory for messages, try again later",
        };
        let frame = CloseFrame { code: Some(error.close_code()), reason };
        self.close_with(index, frame, error.into(), State::Finishing);
        self.flush_close(index)
    }

    /// Writes the reply at hand as the last thing and ends the connection.
    pub(in crate::worker) fn finish(&mut self, index: u32) -> Flow {
        self.streams.table.record_mut(index).set_state(State::Finishing);
        self.streams.table.arm(index, deadline(self.streams.os.now(), LINGER));
        let flow = self.flush_close(index);
        if flow == Flow::Alive {
            // The request may have come in pieces, which were kept there.
            self.streams.free_side(index);
        }
        flow
    }

    /// The peer has broken the rules of the connection's transport, by which it has been told so. Nothing of the stream is sent or received any
    /// more; the peer's end is awaited.
    pub(in crate::worker) fn fail_transport(&mut self, index: u32) -> Flow {
        self.conclude(index, Closed::Lost);
        self.streams.drop_stream(index);
        self.streams.table.record_mut(index).set_state(State::Finishing);
        self.streams.table.arm(index, deadline(self.streams.os.now(), LINGER));
        self.end_writing(index);
        // What has arrived already is read and dropped: no event need tell of it.
        self.queue_visit(self.streams.table.id(index));
        Flow::Alive
    }

    /// Ends the writing half of a connection that has nothing left to say, once its output is out.
    pub(in crate::worker) fn end_writing(&mut self, index: u32) {
        if !self.streams.has_unsent(index) {
            self.streams.end_writing(index);
        } else if self.streams.is_blocked(index) {
            self.expect_late_close(index);
        }
    }

    /// The stream has ended, or the connection is lost.
    pub(in crate::worker) fn lose(&mut self, index: u32) -> Flow {
        self.drop_connection(index, Closed::Lost)
    }

    /// Ends a connection without a word, and tells the handler why where it does not know yet.
    pub(in crate::worker) fn drop_connection(&mut self, index: u32, why: Closed<'_>) -> Flow {
        self.conclude(index, why);
        self.discard(index)
    }

    /// Tells the handler, once, that a connection is over for it, and counts why.
    fn conclude(&mut self, index: u32, why: Closed<'_>) {
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

    /// Takes a connection out of every place it is in, and closes its socket.
    pub(in crate::worker) fn discard(&mut self, index: u32) -> Flow {
        self.streams.receive.clear_reply(&mut self.streams.pool);
        let Streams { table, pool, counters, .. } = &mut self.streams;
        let Some((record, context_bytes)) = table.remove(index, pool) else { return Flow::Gone };
        debug_assert!(record.data.is_none(), "the handler was not told");
        if context_bytes > 0 {
            count_context(counters, context_bytes, 0);
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

    /// Tells a connection of the end. The last time, what it has said is taken in before: it may have answered while the process stood
    /// still, or may not have been told.
    pub(in crate::worker) fn drain_one(&mut self, index: u32, is_last: bool) -> Flow {
        if is_last && self.take_all(index) == Flow::Gone {
            return Flow::Gone;
        }
        match self.streams.table.record_mut(index).state() {
            State::Open => {
                self.call(index, H::farewell);
                self.streams.receive.reply_mut().close = None;
                self.close_open(index, GOING_AWAY, Closed::ByUs(GOING_AWAY.into()))
            }
            State::Handshaking => {
                let is_head = self.streams.table.side_mut(index).is_some_and(|side| is_head(&side.head));
                self.refuse(index, AT_LIMIT, is_head)
            }
            State::Deciding => self.drain_undecided(index),
            State::KeptAlive => self.finish(index),
            State::Closing | State::Finishing => Flow::Alive,
        }
    }
}
