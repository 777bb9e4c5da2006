//! Reading from a connection.

use std::io;
use std::ops::Range;

use super::sessions::{Flow, Sessions};
use crate::budget::{BYTES_PER_WORK, READS_PER_VISIT, REPLY_FLUSH_LEAST, UNREAD_SLICE, WORK_OF_READ};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::{Next, Received};
use crate::worker::table::{ConnId, ConnIndex, Flags, Protocol, State, Unread};
use crate::ws::{Buffers, LARGE};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Reads from a connection that has become ready, with the allowance of a first visit, which is enough for most.
    pub(in crate::worker) fn read_first(&mut self, index: ConnIndex, ended: bool) -> Flow {
        self.visits.meter.begin_first();
        self.read_on(index, ended)
    }

    /// Reads from a connection with the allowance of a later visit.
    pub(in crate::worker) fn read(&mut self, index: ConnIndex, ended: bool) -> Flow {
        self.visits.meter.begin_visit();
        self.read_on(index, ended)
    }

    /// Reads from a connection until no input is left, or the work of this visit is used up. A short read means that no input is left
    /// (epoll(7)), unless the peer has `ended` its stream: then its end is still to be read.
    fn read_on(&mut self, index: ConnIndex, ended: bool) -> Flow {
        let unread = self.unread(index);
        let mut reads = READS_PER_VISIT;
        if unread > 0 {
            if self.take_all_unread(index) == Flow::Gone {
                return Flow::Gone;
            }
            let is_paused = self.streams.table.record_mut(index).flags.has(Flags::PAUSED);
            if !is_paused && self.unread(index) > 0 {
                reads = 0;
            }
        }
        let mut received_in_all = 0;
        for _ in 0..reads {
            let Some(record) =
                self.streams.table.get(index).filter(|record| !record.flags.has(Flags::PAUSED))
            else {
                return self.end_paused_visit(index, ended);
            };
            let most = self.visits.most_at_a_time(record.params.is_negotiated());
            self.streams.counters.reads.add(1);
            let at = self.streams.receive.input_start();
            let Received { len, appended, next } = match self.streams.receive(index, at..at + most) {
                Ok(received) if matches!(received.next, Next::End | Next::Failed) => {
                    return self.take_last(index, at, received);
                }
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.finish_reply(index),
                Err(_) => return self.lose(index),
            };
            self.streams.counters.bytes_in.add(len as u64);
            received_in_all += len;
            self.visits.meter.charge(WORK_OF_READ + len / BYTES_PER_WORK);
            let drained = next != Next::More;
            let end = at + len - appended;
            self.streams.receive.note(end);
            if len > 0 && self.take_fresh(index, at..end, drained) == Flow::Gone {
                return Flow::Gone;
            }
            let has_unread = self.expect_size(index, drained);
            if drained && !ended && !has_unread {
                return self.finish_reply(index);
            }
            // At most the replies to one read are collected before they are written, since the peer may not read them.
            if self.streams.receive.reply().len() >= REPLY_FLUSH_LEAST
                && self.flush_reply(index) == Flow::Gone
            {
                return Flow::Gone;
            }
            // After a short read only the end of the stream can follow, which costs no work.
            if has_unread || (self.visits.meter.is_spent() && !drained) {
                break;
            }
        }
        let id = self.streams.table.id(index);
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.count_final_read(index, received_in_all, unread);
        self.queue_visit(id);
        Flow::Alive
    }

    /// Ends a visit to a connection while its reading is paused. If it waits for a decision, looks for a reset by its peer.
    fn end_paused_visit(&mut self, index: ConnIndex, ended: bool) -> Flow {
        let is_deciding = self.streams.table.record_mut(index).state() == State::Deciding;
        if ended && is_deciding && self.look_for_loss(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.flush_reply(index)
    }

    /// Notes the result of a read for the prediction of the next one. Returns whether a part of the input was not handled.
    fn expect_size(&mut self, index: ConnIndex, drained: bool) -> bool {
        let side = self.streams.table.side(index);
        let has_unread = side.is_some_and(|side| !side.unread.is_empty());
        let is_large = side.is_some_and(|side| side.message.decoder.missing() >= LARGE);
        self.visits.note_read(drained, is_large, has_unread);
        has_unread
    }

    /// Handles input that an earlier visit left, until the work of this visit is used up.
    fn take_all_unread(&mut self, index: ConnIndex) -> Flow {
        while self.unread(index) > 0
            && !self.visits.meter.is_spent()
            && !self.streams.table.record_mut(index).flags.has(Flags::PAUSED)
        {
            if self.take_unread(index) == Flow::Gone {
                return Flow::Gone;
            }
        }
        Flow::Alive
    }

    /// Handles one slice of the input that an earlier visit left. The slice is short, because the part of it that this visit does not handle is
    /// copied to the receive buffer again by the next visit.
    fn take_unread(&mut self, index: ConnIndex) -> Flow {
        let Some(side) = self.streams.table.side_mut(index) else { return Flow::Alive };
        let Unread { bytes, at } = std::mem::take(&mut side.unread);
        let at = at as usize;
        let fresh = &bytes[at..bytes.len().min(at + UNREAD_SLICE)];
        let start = self.streams.receive.input_start();
        let part = start..start + fresh.len();
        self.streams.receive.note(part.end);
        self.streams.receive.room(part.clone()).copy_from_slice(fresh);
        let at = at + fresh.len();
        self.visits.left_again = Some(0);
        let mut flow = self.take_input(index, part, false);
        let at = at - self.visits.left_again.take().unwrap_or_default();
        if flow == Flow::Alive
            && at < bytes.len()
            && self.streams.table.record_mut(index).state() != State::Finishing
        {
            // The buffer is no longer than one read.
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            self.streams.table.side_or_new(index).unread = Unread { bytes, at };
        } else {
            self.streams.pool.recycle(bytes);
            // A connection that is finishing decodes no more, and nothing else frees its side record.
            if flow == Flow::Alive {
                self.streams.free_side(index);
            }
        }
        // The replies, which begin the receive buffer, must leave room for the next slice.
        if flow == Flow::Alive && self.streams.receive.reply().len() >= REPLY_FLUSH_LEAST {
            flow = self.flush_reply(index);
        }
        flow
    }

    /// Returns the number of bytes that were read and that no visit has handled yet.
    fn unread(&self, index: ConnIndex) -> usize {
        self.streams.table.side(index).map_or(0, |side| side.unread.len())
    }

    /// Queues a visit, so that the connection is read from again without a new event.
    pub(in crate::worker) fn queue_visit(&mut self, id: ConnId) {
        if !self.streams.table.record_mut(id.index()).flags.replace(Flags::REVISIT) {
            self.visits.revisit.push_back(id);
        }
    }

    /// Handles input that was just received, which is a sign of life.
    fn take_fresh(&mut self, index: ConnIndex, input: Range<usize>, drained: bool) -> Flow {
        let tick = self.streams.tick;
        let record = self.streams.table.record_mut(index);
        let seen_before = std::mem::replace(&mut record.last_seen, tick);
        let (state, protocol) = (record.state(), record.protocol());
        let (needed, is_late) = match self.streams.table.side(index) {
            Some(side) => (side.message.decoder.buffer_needed(input.len()), side.late_pong.is_some()),
            None => (input.len(), false),
        };
        if is_late {
            self.hear_late_peer(index, seen_before);
        }
        if self.streams.pool.has_plenty(needed) {
            return self.take_input_of(index, (state, protocol), input, drained);
        }
        if self.relieve(index, needed) == Flow::Gone {
            return Flow::Gone;
        }
        self.take_input(index, input, drained)
    }

    /// Handles the last bytes of a stream, which were received at `at`, and ends the connection.
    #[cold]
    fn take_last(&mut self, index: ConnIndex, at: usize, received: Received) -> Flow {
        let Received { len, appended, next } = received;
        self.streams.counters.bytes_in.add(len as u64);
        self.visits.meter.charge(len / BYTES_PER_WORK);
        let end = at + len - appended;
        self.streams.receive.note(end);
        if len > 0 && self.take_fresh(index, at..end, true) == Flow::Gone {
            return Flow::Gone;
        }
        self.follow(index, next)
    }

    /// Acts on what follows the bytes that a read returned, after these were handled.
    #[cold]
    pub(in crate::worker) fn follow(&mut self, index: ConnIndex, next: Next) -> Flow {
        match next {
            Next::More | Next::Event => Flow::Alive,
            Next::End => self.lose(index),
            Next::Failed => self.fail_transport(index),
        }
    }

    pub(in crate::worker) fn take_input(
        &mut self,
        index: ConnIndex,
        input: Range<usize>,
        drained: bool,
    ) -> Flow {
        let record = self.streams.table.record_mut(index);
        let tags = (record.state(), record.protocol());
        self.take_input_of(index, tags, input, drained)
    }

    /// Handles input of a connection in this state, with this protocol.
    #[inline(always)]
    fn take_input_of(
        &mut self,
        index: ConnIndex,
        (state, protocol): (State, Protocol),
        input: Range<usize>,
        drained: bool,
    ) -> Flow {
        match protocol {
            // RFC 6455-7.1.7-5
            _ if state == State::Finishing => Flow::Alive,
            Protocol::Opening if state == State::KeptAlive => self.take_next_heads(index, input, drained),
            Protocol::Opening => self.take_heads(index, input, drained),
            Protocol::WebSocket => self.take_frames(index, input, drained),
            Protocol::Preamble => self.take_preamble(index, input, drained),
        }
    }
}
