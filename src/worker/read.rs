//! Reading from a connection, and what its frames bring about.

use std::io;

use super::conn::{Conn, SocketPeer};
use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::limits::PingPolicy;
use super::os::Os;
use super::record::{Flags, State};
use crate::budget::{READS_PER_VISIT, REPLY_FLUSH};
use crate::ws::{CloseCode, CloseFrame, DecodeError, Decoder, Event, Opcode, encode};

/// Why the frames at hand are not gone on with.
enum Stop {
    /// There are no more.
    Drained,
    /// The replies so far should leave first.
    ReplyFull,
    /// The handler closes the connection.
    CloseAsked,
    /// The peer does.
    PeerClosed(Option<CloseCode>, Box<str>),
    Failed(DecodeError),
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Reads from a connection until nothing is left, or its budget for this iteration is used up. A short read means that
    /// nothing is left (epoll(7)), unless the peer has `ended` its stream: then there is still its end to be read.
    pub(super) fn read(&mut self, index: u32, ended: bool) -> Flow {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let flow = self.read_into(index, &mut buffer, ended);
        self.read_buffer = buffer;
        flow
    }

    fn read_into(&mut self, index: u32, buffer: &mut [u8], ended: bool) -> Flow {
        for _ in 0..READS_PER_VISIT {
            let record = self.table.get(index as usize);
            let Some(record) = record.filter(|record| !record.flags.has(Flags::PAUSED)) else {
                return self.flush_reply(index);
            };
            self.counters.reads.add(1);
            let len = match self.os.recv(&record.socket, buffer) {
                Ok(0) => return self.lose(index),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.flush_reply(index),
                Err(_) => return self.lose(index),
            };
            self.counters.bytes_in.add(len as u64);
            self.note_life(index);
            let drained = len < buffer.len();
            if self.take_input(index, &mut buffer[..len], drained) == Flow::Gone {
                return Flow::Gone;
            }
            if drained && !ended {
                return self.flush_reply(index);
            }
        }
        let id = self.id(index);
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.queue_visit(id);
        Flow::Alive
    }

    /// Has the connection read from again without a new event.
    pub(super) fn queue_visit(&mut self, id: super::id::ConnId) {
        if !self.record_mut(id.index()).flags.replace(Flags::REVISIT) {
            self.revisit.push_back(id);
        }
    }

    fn note_life(&mut self, index: u32) {
        let (tick, policy) = (self.tick, self.limits.ping_policy);
        let record = self.record_mut(index);
        record.last_seen = tick;
        if policy == PingPolicy::WhenIdle {
            record.flags.clear(Flags::AWAIT_PONG);
        }
    }

    fn take_input(&mut self, index: u32, input: &mut [u8], drained: bool) -> Flow {
        match self.record_mut(index).state {
            State::Handshaking => self.take_head(index, input, drained),
            State::Open | State::Closing => self.take_frames(index, input, drained),
            State::Finishing => Flow::Alive,
        }
    }

    /// Takes in bytes of frames. Replies stay in the reply buffer unless there are many.
    pub(super) fn take_frames(&mut self, index: u32, input: &mut [u8], drained: bool) -> Flow {
        let mut decoder =
            self.side_mut(index).map(|side| std::mem::take(&mut side.decoder)).unwrap_or_default();
        let mut at = 0;
        let flow = loop {
            // The handler may have asked to close before any frame came.
            let stop = match self.reply.close {
                Some(_) => Stop::CloseAsked,
                None => self.run_decoder(index, &mut decoder, input, &mut at),
            };
            match stop {
                Stop::Drained if decoder.is_idle() => break Flow::Alive,
                Stop::Drained => {
                    self.side_or_new(index).decoder = decoder;
                    return Flow::Alive;
                }
                Stop::ReplyFull => {
                    if self.flush_reply(index) == Flow::Gone {
                        break Flow::Gone;
                    }
                }
                Stop::CloseAsked => {
                    if let Some((code, reason)) = self.reply.close.take() {
                        let frame = CloseFrame { code: Some(code), reason: &reason };
                        self.close_with(index, frame, Closed::ByUs(frame), State::Closing);
                        // What follows is decoded for the peer's Close alone.
                        if self.flush_close(index) == Flow::Gone {
                            break Flow::Gone;
                        }
                    }
                }
                Stop::PeerClosed(code, reason) => {
                    let at_end = drained && at == input.len();
                    break self.answer_close(index, CloseFrame { code, reason: &reason }, at_end);
                }
                Stop::Failed(error) => break self.fail(index, error),
            }
        };
        decoder.clear(&mut self.pool);
        if flow == Flow::Alive {
            self.free_side(index);
        }
        flow
    }

    /// Deals with events until one needs more than the connection's record and the handler.
    fn run_decoder(&mut self, index: u32, decoder: &mut Decoder, input: &mut [u8], at: &mut usize) -> Stop {
        let id = self.id(index);
        let Self { table, sides, handler, reply, pool, limits, counters, os, ping_key, .. } = self;
        let Some(record) = table.get_mut(index as usize) else { return Stop::Drained };
        let side = record.side.index().and_then(|side| sides.get(side));
        let queued = side.map_or(0, |side| side.outbox.len());
        let peer = SocketPeer { os, socket: &record.socket };
        loop {
            let decoded = match decoder.decode(&mut input[*at..], &limits.rules, pool) {
                Ok(decoded) => decoded,
                Err(error) => return Stop::Failed(error),
            };
            *at += decoded.consumed;
            match decoded.event {
                None => return Stop::Drained,
                Some(Event::Message(message)) => {
                    counters.messages_in.add(1);
                    // None once the handler has been told of the close: what still comes is ignored.
                    if let Some(data) = &mut record.data {
                        let outbox_limit = limits.outbox;
                        let mut conn = Conn { id, data, reply, queued, outbox_limit, peer: &peer };
                        handler.message(&mut conn, message);
                    }
                }
                Some(Event::Ping(payload)) => {
                    counters.pings_received.add(1);
                    if record.state == State::Open {
                        encode::frame(&mut reply.bytes, true, Opcode::Pong, payload, None);
                    }
                }
                Some(Event::Pong(payload)) => {
                    let now = os.now();
                    if let Some(rtt) = super::timers::round_trip(payload, now, *ping_key, limits) {
                        counters.pongs_received.add(1);
                        counters.ping_rtt.record(rtt);
                        record.flags.clear(Flags::AWAIT_PONG);
                    }
                }
                Some(Event::Close(CloseFrame { code, reason })) => {
                    return Stop::PeerClosed(code, reason.into());
                }
            }
            if reply.close.is_some() {
                return Stop::CloseAsked;
            }
            if reply.bytes.len() >= REPLY_FLUSH {
                return Stop::ReplyFull;
            }
        }
    }
}
