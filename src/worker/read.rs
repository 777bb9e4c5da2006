//! Reading from a connection.

use std::io;
use std::ops::Range;

use super::core::{Flow, Worker};
use super::handler::Handler;
use super::os::Os;
use super::record::{Flags, Side, State};
use crate::budget::{READ_BEFORE_LARGE, READ_BUFFER, READ_COMPRESSED, READS_PER_VISIT, REPLY_FLUSH_LEAST};
use crate::ws::{Buffers, LARGE};

/// What one system call has read.
#[derive(Default)]
struct Received {
    /// Bytes in all; 0 is the end of the stream.
    all: usize,
    /// Bytes of them in the decoder's buffer; the others have landed.
    appended: usize,
    /// Bytes that would have fitted.
    room: usize,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Reads from a connection until nothing is left, or its budget for this iteration is used up. A short read means that
    /// nothing is left (epoll(7)), unless the peer has `ended` its stream: then there is still its end to be read.
    pub(super) fn read(&mut self, index: u32, ended: bool) -> Flow {
        self.decompressor.begin_visit();
        let unread = self.unread(index);
        if unread > 0 && self.take_unread(index) == Flow::Gone {
            return Flow::Gone;
        }
        let mut received_in_all = 0;
        for _ in 0..READS_PER_VISIT {
            let Some(record) =
                self.table.get(index as usize).filter(|record| !record.flags.has(Flags::PAUSED))
            else {
                return self.flush_reply(index);
            };
            let most = match record.terms.is_agreed() {
                true if self.unread(index) > 0 => break,
                true => READ_COMPRESSED,
                false if self.is_large_expected => READ_BEFORE_LARGE,
                false => READ_BUFFER,
            };
            self.counters.reads.add(1);
            let at = self.reply.landed();
            let received = match self.receive(index, at..at + most) {
                Ok(Received { all: 0, .. }) => return self.lose(index),
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.finish_reply(index),
                Err(_) => return self.lose(index),
            };
            let Received { all, appended, room } = received;
            self.counters.bytes_in.add(all as u64);
            received_in_all += all;
            let drained = all < room;
            let end = at + all - appended;
            self.landing.note(end);
            let flow = self.take_fresh(index, at..end, drained);
            if flow == Flow::Gone {
                return Flow::Gone;
            }
            self.expect_size(index, drained);
            if drained && !ended && self.unread(index) == 0 {
                return self.finish_reply(index);
            }
            // One read's worth of replies is enough for a peer that may not read them.
            if self.reply.len() >= REPLY_FLUSH_LEAST && self.flush_reply(index) == Flow::Gone {
                return Flow::Gone;
            }
        }
        let id = self.id(index);
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.count_for_look(index, received_in_all, unread);
        self.queue_visit(id);
        Flow::Alive
    }

    /// Guesses by what has arrived what comes next, on whichever connection: more of the same size.
    fn expect_size(&mut self, index: u32, drained: bool) {
        let side = self.record_mut(index).side.index().and_then(|side| self.sides.get(side));
        let is_large = side.is_some_and(|side| side.decoder.lacks() >= LARGE);
        self.is_large_expected = is_large || (self.is_large_expected && drained);
    }

    /// One system call, into that part of the landing, or first to where the rest of a large message belongs.
    fn receive(&mut self, index: u32, part: Range<usize>) -> io::Result<Received> {
        let Self { table, sides, os, pool, landing, .. } = self;
        let buffer = &mut landing.bytes_mut()[part];
        let Some(record) = table.get(index as usize) else { return Ok(Received::default()) };
        let side = record.side.index().and_then(|side| sides.get_mut(side));
        if let Some(Side { decoder, .. }) = side
            && let Some((payload, most)) = decoder.vacancy(pool)
        {
            let before = payload.len();
            let all = os.recv_append(&record.socket, payload, most, buffer)?;
            let appended = payload.len() - before;
            decoder.appended(appended);
            return Ok(Received { all, appended, room: most + buffer.len() });
        }
        let all = os.recv(&record.socket, buffer)?;
        Ok(Received { all, appended: 0, room: buffer.len() })
    }

    /// Goes on with what an earlier visit left.
    fn take_unread(&mut self, index: u32) -> Flow {
        if self.record_mut(index).flags.has(Flags::PAUSED) {
            return Flow::Alive;
        }
        let Some(side) = self.side_mut(index) else { return Flow::Alive };
        let unread = std::mem::take(&mut side.unread);
        let at = self.reply.landed();
        let part = at..at + unread.len();
        self.landing.note(part.end);
        self.landing.bytes_mut()[part.clone()].copy_from_slice(&unread);
        self.pool.recycle(unread);
        let state = self.record_mut(index).state;
        self.take_input(index, state, part, false)
    }

    /// Bytes that were read and that no visit has dealt with yet.
    fn unread(&self, index: u32) -> usize {
        let record = self.table.get(index as usize).filter(|record| record.terms.is_agreed());
        let side = record.and_then(|record| self.sides.get(record.side.index()?));
        side.map_or(0, |side| side.unread.len())
    }

    /// Has the connection read from again without a new event.
    pub(super) fn queue_visit(&mut self, id: super::id::ConnId) {
        if !self.record_mut(id.index()).flags.replace(Flags::REVISIT) {
            self.revisit.push_back(id);
        }
    }

    /// Takes in what has just been received, a sign of life.
    fn take_fresh(&mut self, index: u32, input: Range<usize>, drained: bool) -> Flow {
        let tick = self.tick;
        let record = self.record_mut(index);
        record.last_seen = tick;
        let state = record.state;
        self.take_input(index, state, input, drained)
    }

    fn take_input(&mut self, index: u32, state: State, input: Range<usize>, drained: bool) -> Flow {
        match state {
            State::Handshaking => self.take_head(index, input, drained),
            State::Open | State::Closing => self.take_frames(index, input, drained),
            // RFC 6455-7.1.7-5
            State::Finishing => Flow::Alive,
        }
    }
}
