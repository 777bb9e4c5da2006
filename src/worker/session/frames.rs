//! Decoding and handling of the frames that a connection has received.

use std::ops::Range;

use super::dispatch::{FrameInput, HandlerCall, StopReason, answer_ping, echo_buffer, handle_unfragmented};
use super::sessions::{Flow, Sessions};
use super::visits::Visits;
use crate::worker::app::application::App;
use crate::worker::app::closed::Closed;
use crate::worker::app::conn::{Conn, SocketPeer};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::stream::compression::{Codec, LazyWindows, MessageWriter};
use crate::worker::table::{ConnIndex, Flags, SideRecord, State, UnhandledInput};
use crate::ws::{Buffers, CloseFrame, DecodeError, Decoder, Event, UnfragmentedMessage};

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles bytes of frames, which are in this range of the receive buffer. Replies stay in the reply buffer unless there are many.
    pub(in crate::worker) fn handle_frames(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
        drained: bool,
    ) -> Flow {
        let mut input = FrameInput { at: part.start, end: part.end, had_boundary: false };
        let mut stop = match self.handle_whole_messages(index, &mut input) {
            Some(StopReason::Drained) => return Flow::Alive,
            other => other,
        };
        let mut decoder =
            self.streams.table.side_mut(index).map(SideRecord::take_decoder).unwrap_or_default();
        let flow = loop {
            let stop = stop.take().unwrap_or_else(|| self.run_decoder(index, &mut decoder, &mut input));
            match stop {
                StopReason::Drained if decoder.is_idle() => break Flow::Alive,
                StopReason::Drained => return self.keep_decoder(index, decoder, &input),
                StopReason::VisitSpent => {
                    if self.keep_unhandled(index, input.rest()) {
                        return self.keep_decoder(index, decoder, &input);
                    }
                    if self.streams.table.record_mut(index).params.is_negotiated() {
                        break self.fail(index, DecodeError::OutOfBuffers);
                    }
                    // The pool has no buffer for the rest, which is handled beyond the visit's work: the length of one read bounds it.
                    self.visits.meter.begin_visit();
                }
                StopReason::ReplyFull => {
                    if self.flush_reply(index) == Flow::Gone {
                        break Flow::Gone;
                    }
                }
                StopReason::LatePong => self.end_late_pong(index),
                StopReason::CloseRequested => {
                    if let Some((code, reason)) = self.streams.receive_buffer.reply_mut().close.take() {
                        let frame = CloseFrame { code: Some(code), reason: &reason };
                        self.close_with(index, frame, Closed::ByUs(frame.into()), State::Closing);
                        // Later input is decoded for the peer's Close only.
                        if self.flush_close(index) == Flow::Gone {
                            break Flow::Gone;
                        }
                    }
                }
                StopReason::PeerClosed(code, reason) => {
                    let at_end = drained && input.at == input.end;
                    break self.answer_close(index, CloseFrame { code, reason: &reason }, at_end);
                }
                StopReason::Failed(error) => break self.fail(index, error),
            }
        };
        decoder.clear(&mut self.streams.pool);
        if flow == Flow::Alive {
            self.streams
                .table
                .side_mut(index)
                .into_iter()
                .for_each(|side| side.put_decoder_back(Decoder::default()));
            self.streams.table.clear_message_deadline(index);
            self.streams.free_side(index);
        }
        flow
    }

    /// Handles the most common input in the fewest steps: whole messages for a connection without state from earlier input. Returns `None`
    /// when the rest needs a decoder.
    fn handle_whole_messages(&mut self, index: ConnIndex, input: &mut FrameInput) -> Option<StopReason> {
        if !UnfragmentedMessage::may_begin(self.streams.receive_buffer.bytes(input.rest())) {
            return None;
        }
        let id = self.streams.table.id(index);
        let Self { streams, app: App { handler, .. }, limits, codec, visits, .. } = self;
        let Streams { table, receive_buffer, counters, os, .. } = streams;
        let (Codec { compressor, .. }, Visits { meter, .. }) = (codec, visits);
        let record = table.get_mut(index)?;
        if record.side.index().is_some() || record.params.is_negotiated() {
            return None;
        }
        let peer = SocketPeer { os, socket: &record.socket };
        let (data, handler) = (record.data.as_mut()?, handler.as_deref_mut()?);
        let writer = MessageWriter { compressor, params: record.params, windows: &mut None, counters, meter };
        let (memory, reply) = receive_buffer.split();
        let conn = Conn::new(id, data, reply, 0, limits.outbox, writer, &peer);
        let taken = handle_unfragmented(handler, conn, memory, input, limits.max_message(record.params));
        if let Err(error) = taken {
            return Some(StopReason::Failed(error.into()));
        }
        (input.at == input.end && receive_buffer.reply().close.is_none()).then_some(StopReason::Drained)
    }

    /// Keeps an incomplete frame or message, and starts its deadline.
    fn keep_decoder(&mut self, index: ConnIndex, decoder: Decoder, input: &FrameInput) -> Flow {
        let is_partial = decoder.is_partial();
        let tick = self.streams.tick;
        let side = self.streams.table.side_or_new(index);
        side.put_decoder_back(decoder);
        if input.had_boundary {
            side.message.began_at = tick;
        }
        if !is_partial {
            self.streams.table.clear_message_deadline(index);
        } else if input.had_boundary && self.streams.table.record_mut(index).state() == State::Open {
            self.streams.start_message_deadline(index, self.limits.message_timeout);
        }
        Flow::Alive
    }

    /// Keeps input for the next visit. Returns `false` when the pool has no buffer for it.
    pub(in crate::worker) fn keep_unhandled(&mut self, index: ConnIndex, input: Range<usize>) -> bool {
        if let Some(left) = &mut self.visits.left_of_slice {
            *left = input.len();
            return true;
        }
        let mut bytes = Vec::new();
        if !self.streams.pool.reserve(&mut bytes, input.len()) {
            return false;
        }
        bytes.extend_from_slice(self.streams.receive_buffer.bytes(input));
        self.streams.table.side_or_new(index).unhandled = UnhandledInput { bytes, at: 0 };
        true
    }

    /// Handles events until one needs more than the connection's record and the handler.
    fn run_decoder(&mut self, index: ConnIndex, decoder: &mut Decoder, input: &mut FrameInput) -> StopReason {
        // The contexts are taken out of the side record, so that the handler can send while the record is borrowed.
        let mut windows = self.streams.table.side_mut(index).and_then(|side| side.windows.take());
        let stop = self.handle_events(index, decoder, input, &mut windows).unwrap_or_else(StopReason::Failed);
        if windows.is_some() {
            self.streams.table.side_or_new(index).windows = windows;
        }
        stop
    }

    /// Decodes frames and handles their events, until there is a reason to stop.
    fn handle_events(
        &mut self,
        index: ConnIndex,
        decoder: &mut Decoder,
        input: &mut FrameInput,
        windows: &mut LazyWindows,
    ) -> Result<StopReason, DecodeError> {
        let id = self.streams.table.id(index);
        let Self { streams, app: App { handler, .. }, limits, keepalive, codec, visits, .. } = self;
        let Streams { table, receive_buffer, pool, counters, os, .. } = streams;
        let Codec { compressor, decompressor } = codec;
        let (Some((record, side)), Some(handler)) = (table.entry_mut(index), handler.as_deref_mut()) else {
            return Ok(StopReason::Drained);
        };
        let (side, params) = (side.as_deref(), record.params);
        let (config, is_negotiated) = (limits.decoder_config(params), params.is_negotiated());
        let (memory, reply) = receive_buffer.split();
        let mut call = HandlerCall {
            handler,
            id,
            outbox_len: side.map_or(0, |side| side.outbox.len()),
            outbox_limit: limits.outbox,
            writer: MessageWriter { compressor, params, windows, counters, meter: &mut visits.meter },
            peer: &SocketPeer { os, socket: &record.socket },
        };
        loop {
            // Between two events: if no message is incomplete, a frame that follows begins one.
            input.had_boundary |= !decoder.is_partial();
            if !is_negotiated && decoder.is_idle() {
                call.handle_unfragmented(&mut record.data, reply, memory, input, config.max_message)?;
            }
            if let Some(why) = call.why_stop(reply, is_negotiated && record.flags.has(Flags::PAUSED), input) {
                return Ok(why);
            }
            let decoded = decoder.decode(&mut memory[input.rest()], &config, pool)?;
            input.at += decoded.consumed;
            call.charge(decoded.frames, decoded.consumed);
            let Some(event) = decoded.event else { return Ok(StopReason::Drained) };
            // RFC 6455-6.2-2
            let message = match event {
                Event::Message(message) => message,
                // After the handler's `close`, later messages are ignored.
                Event::Compressed { .. } if record.data.is_none() => continue,
                // RFC 7692-5-15 and 7692-6.2-1
                Event::Compressed { opcode, payload } => {
                    decompressor.decompress(opcode, payload, config.max_message, &mut call.writer)?
                }
                Event::Ping(payload) => {
                    answer_ping(payload, record.state(), reply, counters);
                    continue;
                }
                Event::Pong(payload) => {
                    let is_late = keepalive.count_pong(id, payload, record, side, (os, counters));
                    if is_late.is_some() {
                        record.flags.clear(Flags::AWAIT_PONG);
                    }
                    if is_late == Some(true) {
                        return Ok(StopReason::LatePong);
                    }
                    continue;
                }
                Event::Close(close) => return Ok(StopReason::PeerClosed(close.code, close.reason.into())),
            };
            counters.messages_in.add(1);
            if let Some(data) = &mut record.data {
                call.dispatch_message(data, reply, message, decoded.is_buffered && !is_negotiated);
                echo_buffer(reply, decoder, pool);
            }
        }
    }
}
