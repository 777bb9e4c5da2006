//! Calls to the handler with a connection's messages, and why decoding stops. Nothing here uses the connection table.

use std::ops::Range;

use crate::base::pool::Pool;
use crate::budget::{BYTES_PER_WORK, WORK_OF_MESSAGE};
use crate::metrics::Counters;
use crate::worker::app::conn::{Conn, PeerAddress};
use crate::worker::app::handler::Handler;
use crate::worker::stream::Reply;
use crate::worker::stream::compression::MessageWriter;
use crate::worker::table::{ConnId, State};
use crate::ws::{
    CloseCode, DecodeError, Decoder, Message, Opcode, ProtocolError, UnfragmentedMessage, encode,
};

/// Why decoding of a connection's input stops.
pub(super) enum StopReason {
    /// The input holds no further event.
    Drained,
    /// The replies so far have to be sent first.
    ReplyFull,
    /// This visit's work is used up: the rest of the input waits for the next visit.
    VisitSpent,
    /// A Pong was received after its deadline.
    LatePong,
    /// The handler closes the connection.
    CloseRequested,
    /// The peer closes the connection.
    PeerClosed(Option<CloseCode>, Box<str>),
    /// The input breaks the protocol or a limit, or there is no memory for it.
    Failed(DecodeError),
}

/// The part of the receive buffer that a connection's frames are decoded from.
pub(super) struct FrameInput {
    /// Where input begins that is not decoded yet. Payloads moved down for an echo in place end at or before it.
    pub(super) at: usize,
    pub(super) end: usize,
    /// Whether decoding was between two messages at some position of this input. If a message is incomplete at the end of the input, it then
    /// began in this input, and its deadline starts now.
    pub(super) had_boundary: bool,
}

impl FrameInput {
    pub(super) const fn rest(&self) -> Range<usize> {
        self.at..self.end
    }
}

/// What a call to the handler about a connection needs, beside the connection's data and the reply.
pub(super) struct HandlerCall<'a, H> {
    pub(super) handler: &'a mut H,
    pub(super) id: ConnId,
    /// Bytes in the connection's outbox.
    pub(super) outbox_len: usize,
    pub(super) outbox_limit: usize,
    pub(super) writer: MessageWriter<'a>,
    pub(super) peer: &'a dyn PeerAddress,
}

impl<H: Handler> HandlerCall<'_, H> {
    #[inline]
    pub(super) fn handler_and_conn<'c>(
        &'c mut self,
        data: &'c mut H::Data,
        reply: &'c mut Reply,
    ) -> (&'c mut H, Conn<'c, H::Data>) {
        let Self { handler, id, outbox_len, outbox_limit, writer, peer } = self;
        (handler, Conn::new(*id, data, reply, *outbox_len, *outbox_limit, writer.reborrow(), *peer))
    }

    /// Calls the handler with the messages that are complete at the start of the input, each in one frame.
    #[inline]
    pub(super) fn handle_unfragmented(
        &mut self,
        data: &mut Option<H::Data>,
        reply: &mut Reply,
        memory: &mut [u8],
        input: &mut FrameInput,
        max_message: usize,
    ) -> Result<(), ProtocolError> {
        match data {
            Some(data) if UnfragmentedMessage::may_begin(&memory[input.rest()]) => {
                let (handler, conn) = self.handler_and_conn(data, reply);
                handle_unfragmented(handler, conn, memory, input, max_message)
            }
            _ => Ok(()),
        }
    }

    /// Charges the work of decoded frames and bytes.
    #[inline]
    pub(super) fn charge(&mut self, frames: usize, bytes: usize) {
        self.writer.meter.charge(WORK_OF_MESSAGE * frames + bytes / BYTES_PER_WORK);
    }

    /// Calls the handler with a message, which may be echoed without a copy where it `is_buffered`.
    #[inline]
    pub(super) fn dispatch_message(
        &mut self,
        data: &mut H::Data,
        reply: &mut Reply,
        message: Message<'_>,
        is_buffered: bool,
    ) {
        let (handler, mut conn) = self.handler_and_conn(data, reply);
        if is_buffered {
            conn.may_echo(message.as_bytes());
        }
        handler.message(&mut conn, message);
    }

    /// Returns a reason to stop decoding, if there is one. `must_wait`: the connection negotiated compression, and reading from it is
    /// paused. Even its received input then waits, since it can decompress to a thousand times its length.
    #[inline]
    pub(super) const fn why_stop(
        &self,
        reply: &Reply,
        must_wait: bool,
        input: &FrameInput,
    ) -> Option<StopReason> {
        if reply.close.is_some() {
            return Some(StopReason::CloseRequested);
        }
        if reply.is_full() {
            return Some(StopReason::ReplyFull);
        }
        if (must_wait || self.writer.meter.is_visit_spent()) && input.at < input.end {
            return Some(StopReason::VisitSpent);
        }
        None
    }
}

/// Moves the buffer of a message into the reply, where the handler echoes that message.
#[inline]
pub(super) fn echo_buffer(reply: &mut Reply, decoder: &mut Decoder, pool: &mut Pool) {
    if let Some(echo) = reply.take_echo()
        && let Some(payload) = decoder.take_buffer(pool)
    {
        reply.echo_buffer(echo, payload);
    }
}

/// Appends the answer to a Ping to the reply.
#[inline]
pub(super) fn answer_ping(payload: &[u8], state: State, reply: &mut Reply, counters: &Counters) {
    counters.pings_received.add(1);
    // RFC 6455-5.5.2-1, 6455-5.5.2-2, 6455-5.5.2-3 and 6455-5.5.3-1
    if matches!(state, State::Open | State::Closing) {
        encode::frame(&mut reply.bytes, Opcode::Pong, payload, None);
    }
}

/// Calls the handler with the unfragmented messages that are complete in the input, as most are, until none is left or the reply has to be
/// sent.
pub(super) fn handle_unfragmented<H: Handler>(
    handler: &mut H,
    mut conn: Conn<'_, H::Data>,
    memory: &mut [u8],
    input: &mut FrameInput,
    max_message: usize,
) -> Result<(), ProtocolError> {
    let (mut count, most, start) = (0, conn.writer.meter.messages_left(), input.at);
    let mut outcome = Ok(());
    while count < most
        && !conn.reply.must_flush()
        && !conn.writer.meter.is_visit_spent()
        && let Some(parsed) = UnfragmentedMessage::parse(&memory[input.rest()], max_message)
    {
        let payload = parsed.unmask_to(memory, input.at, conn.reply.echo_end());
        input.at += parsed.end();
        let message = match Message::new(parsed.opcode, payload) {
            Ok(message) => message,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        count += 1;
        conn.may_echo(payload);
        handler.message(&mut conn, message);
        if let Some(echo) = conn.reply.take_echo() {
            conn.reply.echo_in_place(echo, memory, &parsed);
        }
    }
    // One charge for all: with many small messages, a charge for each would take a twentieth of the time.
    conn.writer.meter.charge(WORK_OF_MESSAGE * count + (input.at - start) / BYTES_PER_WORK);
    conn.writer.counters.messages_in.add(count as u64);
    outcome
}
