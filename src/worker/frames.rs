//! Frames that a connection has received, and what they bring about.

use super::compression::{Contexts, Outgoing};
use super::conn::{Conn, SocketPeer};
use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::os::Os;
use super::record::{Flags, State};
use super::timers::round_trip;
use crate::budget::REPLY_FLUSH;
use crate::ws::{Buffers, CloseCode, CloseFrame, DecodeError, Decoder, Event, Opcode, encode};

/// Why the frames at hand are not gone on with.
enum Stop {
    /// There are no more.
    Drained,
    /// The replies so far should leave first.
    ReplyFull,
    /// Decompressing has taken up this visit: the rest has to wait for the next.
    Spent,
    /// The handler closes the connection.
    CloseAsked,
    /// The peer does.
    PeerClosed(Option<CloseCode>, Box<str>),
    Failed(DecodeError),
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Takes in bytes of frames. Replies stay in the reply buffer unless there are many.
    pub(super) fn take_frames(&mut self, index: u32, input: &mut [u8], drained: bool) -> Flow {
        let mut decoder =
            self.side_mut(index).map(|side| std::mem::take(&mut side.decoder)).unwrap_or_default();
        let mut at = 0;
        let flow = loop {
            match self.run_decoder(index, &mut decoder, input, &mut at) {
                Stop::Drained if decoder.is_idle() => break Flow::Alive,
                Stop::Drained => {
                    self.side_or_new(index).decoder = decoder;
                    return Flow::Alive;
                }
                Stop::Spent if self.keep_unread(index, &input[at..]) => {
                    self.side_or_new(index).decoder = decoder;
                    return Flow::Alive;
                }
                Stop::Spent => break self.fail(index, DecodeError::OutOfBuffers),
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

    /// Keeps input for the next visit. `false` when there is no buffer for it.
    fn keep_unread(&mut self, index: u32, input: &[u8]) -> bool {
        let mut unread = Vec::new();
        if !self.pool.reserve(&mut unread, input.len()) {
            return false;
        }
        unread.extend_from_slice(input);
        self.side_or_new(index).unread = unread;
        true
    }

    /// Deals with events until one needs more than the connection's record and the handler.
    fn run_decoder(&mut self, index: u32, decoder: &mut Decoder, input: &mut [u8], at: &mut usize) -> Stop {
        // With the contexts out of the side record the handler can send while the record is looked at.
        let mut contexts = self.side_mut(index).and_then(|side| side.contexts.take());
        let stop = self.handle_events(index, decoder, input, at, &mut contexts);
        if contexts.is_some() {
            self.side_or_new(index).contexts = contexts;
        }
        stop
    }

    fn handle_events(
        &mut self,
        index: u32,
        decoder: &mut Decoder,
        input: &mut [u8],
        at: &mut usize,
        contexts: &mut Contexts,
    ) -> Stop {
        let id = self.id(index);
        let Self {
            table,
            sides,
            handler,
            reply,
            pool,
            limits,
            counters,
            os,
            ping_key,
            compressor,
            decompressor,
            ..
        } = self;
        let Some(record) = table.get_mut(index as usize) else { return Stop::Drained };
        let side = record.side.index().and_then(|side| sides.get(side));
        let queued = side.map_or(0, |side| side.outbox.len());
        let peer = SocketPeer { os, socket: &record.socket };
        let terms = record.terms;
        let rules = crate::ws::Rules { deflate: terms.is_agreed(), ..limits.rules };
        loop {
            if reply.close.is_some() {
                return Stop::CloseAsked;
            }
            if reply.bytes.len() >= REPLY_FLUSH {
                return Stop::ReplyFull;
            }
            // A peer that does not read is not read from, and what was read already can be a thousand times as much as it seems.
            let waits = decompressor.is_spent() || record.flags.has(Flags::PAUSED);
            if terms.is_agreed() && waits && *at < input.len() {
                return Stop::Spent;
            }
            let decoded = match decoder.decode(&mut input[*at..], &rules, pool) {
                Ok(decoded) => decoded,
                Err(error) => return Stop::Failed(error),
            };
            *at += decoded.consumed;
            let Some(event) = decoded.event else { return Stop::Drained };
            let message = match event {
                Event::Message(message) => message,
                // None once the handler has been told of the close: what still comes is ignored.
                Event::Compressed { .. } if record.data.is_none() => continue,
                Event::Compressed { opcode, payload } => {
                    match decompressor.message(opcode, payload, terms, contexts, counters) {
                        Ok(message) => message,
                        Err(error) => return Stop::Failed(error.into()),
                    }
                }
                Event::Ping(payload) => {
                    counters.pings_received.add(1);
                    if record.state == State::Open {
                        encode::frame(&mut reply.bytes, true, Opcode::Pong, payload, None);
                    }
                    continue;
                }
                Event::Pong(payload) => {
                    let now = os.now();
                    if let Some(rtt) = round_trip(payload, now, *ping_key, limits) {
                        counters.pongs_received.add(1);
                        counters.ping_rtt.record(rtt);
                        record.flags.clear(Flags::AWAIT_PONG);
                    }
                    continue;
                }
                Event::Close(CloseFrame { code, reason }) => return Stop::PeerClosed(code, reason.into()),
            };
            counters.messages_in.add(1);
            if let Some(data) = &mut record.data {
                let outgoing = Outgoing { compressor, terms, contexts, counters };
                let outbox_limit = limits.outbox;
                let mut conn = Conn { id, data, reply, queued, outbox_limit, outgoing, peer: &peer };
                handler.message(&mut conn, message);
            }
        }
    }
}
