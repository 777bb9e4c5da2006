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

/// What a connection's frames are decoded from.
struct Input<'i> {
    bytes: &'i mut [u8],
    /// Bytes that are done with.
    at: usize,
    /// No message was under way at some point: one that is now has begun in these bytes.
    was_between: bool,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Takes in bytes of frames. Replies stay in the reply buffer unless there are many.
    pub(super) fn take_frames(&mut self, index: u32, bytes: &mut [u8], drained: bool) -> Flow {
        let mut decoder =
            self.side_mut(index).map(|side| std::mem::take(&mut side.decoder)).unwrap_or_default();
        let mut input = Input { bytes, at: 0, was_between: false };
        let flow = loop {
            match self.run_decoder(index, &mut decoder, &mut input) {
                Stop::Drained if decoder.is_idle() => break Flow::Alive,
                Stop::Drained => return self.keep_decoder(index, decoder, &input),
                Stop::Spent => {
                    if self.keep_unread(index, &input.bytes[input.at..]) {
                        return self.keep_decoder(index, decoder, &input);
                    }
                    break self.fail(index, DecodeError::OutOfBuffers);
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
                    let at_end = drained && input.at == input.bytes.len();
                    break self.answer_close(index, CloseFrame { code, reason: &reason }, at_end);
                }
                Stop::Failed(error) => break self.fail(index, error),
            }
        };
        decoder.clear(&mut self.pool);
        if flow == Flow::Alive {
            self.forget_message_timer(index);
            self.free_side(index);
        }
        flow
    }

    /// Keeps what there is of a frame or a message, and sees to it that the rest comes in time.
    fn keep_decoder(&mut self, index: u32, decoder: Decoder, input: &Input<'_>) -> Flow {
        let is_partial = decoder.is_partial();
        self.side_or_new(index).decoder = decoder;
        if !is_partial {
            self.forget_message_timer(index);
        } else if input.was_between && self.record_mut(index).state == State::Open {
            self.arm_message_timer(index);
        }
        Flow::Alive
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
    fn run_decoder(&mut self, index: u32, decoder: &mut Decoder, input: &mut Input<'_>) -> Stop {
        // With the contexts out of the side record the handler can send while the record is looked at.
        let mut contexts = self.side_mut(index).and_then(|side| side.contexts.take());
        let stop = self.handle_events(index, decoder, input, &mut contexts);
        if contexts.is_some() {
            self.side_or_new(index).contexts = contexts;
        }
        stop
    }

    fn handle_events(
        &mut self,
        index: u32,
        decoder: &mut Decoder,
        input: &mut Input<'_>,
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
        let (Some(record), Some(handler)) = (table.get_mut(index as usize), handler) else {
            return Stop::Drained;
        };
        let side = record.side.index().and_then(|side| sides.get(side));
        let queued = side.map_or(0, |side| side.outbox.len());
        let peer = SocketPeer { os, socket: &record.socket };
        let terms = record.terms;
        let rules = crate::ws::Rules { deflate: terms.is_agreed(), ..limits.rules };
        loop {
            // Between two events: with no message under way, a frame that follows is the first of one.
            input.was_between |= !decoder.is_partial();
            if reply.close.is_some() {
                return Stop::CloseAsked;
            }
            if reply.bytes.len() >= REPLY_FLUSH {
                return Stop::ReplyFull;
            }
            // A peer that does not read is not read from, and what was read already can be a thousand times as much as it seems.
            let waits = decompressor.is_spent() || record.flags.has(Flags::PAUSED);
            if terms.is_agreed() && waits && input.at < input.bytes.len() {
                return Stop::Spent;
            }
            let decoded = match decoder.decode(&mut input.bytes[input.at..], &rules, pool) {
                Ok(decoded) => decoded,
                Err(error) => return Stop::Failed(error),
            };
            input.at += decoded.consumed;
            let Some(event) = decoded.event else { return Stop::Drained };
            // RFC 6455-6.2-2
            let message = match event {
                Event::Message(message) => message,
                // None once the handler has been told of the close: what still comes is ignored.
                Event::Compressed { .. } if record.data.is_none() => continue,
                Event::Compressed { opcode, payload } => {
                    // RFC 7692-5-15 and 7692-6.2-1
                    match decompressor.message(opcode, payload, terms, contexts, counters) {
                        Ok(message) => message,
                        Err(error) => return Stop::Failed(error.into()),
                    }
                }
                Event::Ping(payload) => {
                    counters.pings_received.add(1);
                    // RFC 6455-5.5.2-1, 6455-5.5.2-2, 6455-5.5.2-3 and 6455-5.5.3-1
                    if matches!(record.state, State::Open | State::Closing) {
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
