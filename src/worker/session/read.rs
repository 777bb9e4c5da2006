//! Reading from a connection.

use std::io;
use std::ops::Range;

use super::sessions::{Flow, Sessions};
use crate::budget::{BYTES_PER_WORK, READS_PER_VISIT, REPLY_FLUSH_LEAST, UNHANDLED_SLICE, WORK_OF_READ};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::{ReadState, Received};
use crate::worker::table::{ConnId, ConnIndex, Flags, Protocol, State, UnhandledInput};
use crate::ws::{Buffers, LARGE_MESSAGE};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Visits a connection that has become ready, with the allowance of a first visit, which is enough for most.
    pub(in crate::worker) fn visit_ready(&mut self, index: ConnIndex, read_closed: bool) -> Flow {
        self.charge_transports();
        self.visits.meter.begin_first_visit();
        self.visit(index, read_closed)
    }

    /// Visits a connection with the allowance of a later visit.
    pub(in crate::worker) fn revisit(&mut self, index: ConnIndex, read_closed: bool) -> Flow {
        self.charge_transports();
        self.visits.meter.begin_visit();
        self.visit(index, read_closed)
    }

    /// Charges the work that transports have done. Before a visit it was done for other connections, and counts for the iteration alone.
    #[inline(always)]
    pub(in crate::worker) fn charge_transports(&mut self) {
        self.visits.meter.charge(self.streams.transports.take_work());
    }

    /// Reads from a connection until no input is left, or the work of this visit is used up. A short read means that no input is left
    /// (epoll(7)), unless the event reported `read_closed`: then the end of the stream is still to be read.
    fn visit(&mut self, index: ConnIndex, read_closed: bool) -> Flow {
        let unhandled_before = self.unhandled_len(index);
        let mut reads = READS_PER_VISIT;
        if unhandled_before > 0 {
            if self.handle_unhandled(index) == Flow::Gone {
                return Flow::Gone;
            }
            let is_paused = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
            if !is_paused && self.unhandled_len(index) > 0 {
                reads = 0;
            }
        }
        let mut received_in_all = 0;
        for _ in 0..reads {
            let Some(record) =
                self.streams.table.get(index).filter(|record| !record.flags.has(Flags::PAUSED))
            else {
                return self.end_paused_visit(index, read_closed);
            };
            let most = self.visits.max_read(record.params.is_negotiated());
            self.streams.counters.reads.add(1);
            let at = self.streams.receive_buffer.input_start();
            let received = self.streams.receive(index, at..at + most);
            self.charge_transports();
            let Received { len, appended, state } = match received {
                Ok(received) if matches!(received.state, ReadState::Ended | ReadState::Failed) => {
                    return self.handle_end_of_stream(index, at, received);
                }
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.defer_or_flush_reply(index);
                }
                Err(_) => return self.drop_lost(index),
            };
            self.streams.counters.bytes_in.add(len as u64);
            received_in_all += len;
            self.visits.meter.charge(WORK_OF_READ + len / BYTES_PER_WORK);
            let drained = state != ReadState::MayHaveMore;
            let end = at + len - appended;
            self.streams.receive_buffer.note_used(end);
            if len > 0 && self.handle_received(index, at..end, drained) == Flow::Gone {
                return Flow::Gone;
            }
            let has_unhandled = self.predict_next_read(index, drained);
            if drained && !read_closed && !has_unhandled {
                return self.defer_or_flush_reply(index);
            }
            // At most the replies to one read are collected before they are written, since the peer may not read them.
            if self.streams.receive_buffer.reply().len() >= REPLY_FLUSH_LEAST
                && self.flush_reply(index) == Flow::Gone
            {
                return Flow::Gone;
            }
            // After a short read only the end of the stream can follow, which costs no work.
            if has_unhandled || (self.visits.meter.is_visit_spent() && !drained) {
                break;
            }
        }
        let id = self.streams.table.id(index);
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.count_final_read(index, received_in_all, unhandled_before);
        self.queue_visit(id);
        Flow::Alive
    }

    /// Ends a visit to a connection while its reading is paused. If it waits for a decision, checks whether its peer still does.
    fn end_paused_visit(&mut self, index: ConnIndex, read_closed: bool) -> Flow {
        let is_deciding = self.streams.table.record_mut(index).state() == State::Deciding;
        if read_closed && is_deciding && self.drop_if_abandoned(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.flush_reply(index)
    }

    /// Notes the result of a read for the prediction of the next one. Returns whether a part of the input was not handled.
    fn predict_next_read(&mut self, index: ConnIndex, drained: bool) -> bool {
        let side = self.streams.table.side(index);
        let has_unhandled = side.is_some_and(|side| !side.unhandled.is_empty());
        let is_large = side.is_some_and(|side| side.message.decoder.missing() >= LARGE_MESSAGE);
        self.visits.note_read(drained, is_large, has_unhandled);
        has_unhandled
    }

    /// Handles input that an earlier visit left, until the work of this visit is used up.
    fn handle_unhandled(&mut self, index: ConnIndex) -> Flow {
        while self.unhandled_len(index) > 0
            && !self.visits.meter.is_visit_spent()
            && !self.streams.table.record_mut(index).flags.has(Flags::PAUSED)
        {
            if self.handle_unhandled_slice(index) == Flow::Gone {
                return Flow::Gone;
            }
        }
        Flow::Alive
    }

    /// Handles one slice of the input that an earlier visit left. The slice is short, because the part of it that this visit does not
    /// handle is copied to the receive buffer again by the next visit.
    fn handle_unhandled_slice(&mut self, index: ConnIndex) -> Flow {
        let Some(side) = self.streams.table.side_mut(index) else { return Flow::Alive };
        let UnhandledInput { bytes, at } = std::mem::take(&mut side.unhandled);
        let at = at as usize;
        let fresh = &bytes[at..bytes.len().min(at + UNHANDLED_SLICE)];
        let start = self.streams.receive_buffer.input_start();
        let part = start..start + fresh.len();
        self.streams.receive_buffer.note_used(part.end);
        self.streams.receive_buffer.room(part.clone()).copy_from_slice(fresh);
        let at = at + fresh.len();
        self.visits.left_of_slice = Some(0);
        let mut flow = self.handle_input(index, part, false);
        let at = at - self.visits.left_of_slice.take().unwrap_or_default();
        if flow == Flow::Alive
            && at < bytes.len()
            && self.streams.table.record_mut(index).state() != State::Lingering
        {
            // The buffer is no longer than one read.
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            self.streams.table.side_or_new(index).unhandled = UnhandledInput { bytes, at };
        } else {
            self.streams.pool.recycle(bytes);
            // A connection that is finishing decodes no more, and nothing else frees its side record.
            if flow == Flow::Alive {
                self.streams.free_side(index);
            }
        }
        // The replies, which begin the receive buffer, must leave room for the next slice.
        if flow == Flow::Alive && self.streams.receive_buffer.reply().len() >= REPLY_FLUSH_LEAST {
            flow = self.flush_reply(index);
        }
        flow
    }

    /// Returns the number of bytes that were read and that no visit has handled.
    fn unhandled_len(&self, index: ConnIndex) -> usize {
        self.streams.table.side(index).map_or(0, |side| side.unhandled.len())
    }

    /// Queues a visit, so that the connection is read from again without a new event.
    pub(in crate::worker) fn queue_visit(&mut self, id: ConnId) {
        if !self.streams.table.record_mut(id.index()).flags.replace(Flags::REVISIT) {
            self.visits.revisit.push_back(id);
        }
    }

    /// Handles input that was just received, which is a sign of life.
    fn handle_received(&mut self, index: ConnIndex, input: Range<usize>, drained: bool) -> Flow {
        let tick = self.streams.tick;
        let record = self.streams.table.record_mut(index);
        let seen_before = std::mem::replace(&mut record.last_seen, tick);
        let (state, protocol) = (record.state(), record.protocol());
        let (needed, is_late) = match self.streams.table.side(index) {
            Some(side) => (side.message.decoder.buffer_needed(input.len()), side.late_pong.is_some()),
            None => (input.len(), false),
        };
        if is_late {
            self.note_activity_of_late_peer(index, seen_before);
        }
        if self.streams.pool.has_ample_room_for(needed) {
            return self.handle_input_as(index, (state, protocol), input, drained);
        }
        if self.evict_for(index, needed) == Flow::Gone {
            return Flow::Gone;
        }
        self.handle_input(index, input, drained)
    }

    /// Handles the last bytes of a stream, which were received at `at`, and ends the connection.
    #[cold]
    fn handle_end_of_stream(&mut self, index: ConnIndex, at: usize, received: Received) -> Flow {
        let Received { len, appended, state } = received;
        self.streams.counters.bytes_in.add(len as u64);
        self.visits.meter.charge(len / BYTES_PER_WORK);
        let end = at + len - appended;
        self.streams.receive_buffer.note_used(end);
        if len > 0 && self.handle_received(index, at..end, true) == Flow::Gone {
            return Flow::Gone;
        }
        self.apply_read_state(index, state)
    }

    /// Ends the connection if its stream has ended or failed. The caller has handled the bytes of the read that returned this state.
    #[cold]
    pub(in crate::worker) fn apply_read_state(&mut self, index: ConnIndex, state: ReadState) -> Flow {
        match state {
            ReadState::MayHaveMore | ReadState::Drained => Flow::Alive,
            ReadState::Ended => self.drop_lost(index),
            ReadState::Failed => self.fail_transport(index),
        }
    }

    pub(in crate::worker) fn handle_input(
        &mut self,
        index: ConnIndex,
        input: Range<usize>,
        drained: bool,
    ) -> Flow {
        let record = self.streams.table.record_mut(index);
        let tags = (record.state(), record.protocol());
        self.handle_input_as(index, tags, input, drained)
    }

    /// Handles input as this state and this protocol of the connection demand.
    #[inline(always)]
    fn handle_input_as(
        &mut self,
        index: ConnIndex,
        (state, protocol): (State, Protocol),
        input: Range<usize>,
        drained: bool,
    ) -> Flow {
        match protocol {
            // RFC 6455-7.1.7-5
            _ if state == State::Lingering => Flow::Alive,
            Protocol::Opening if state == State::KeptAlive => self.handle_next_heads(index, input, drained),
            Protocol::Opening => self.handle_heads(index, input, drained),
            Protocol::WebSocket => self.handle_frames(index, input, drained),
            Protocol::Preamble => self.handle_preamble(index, input, drained),
        }
    }
}
