//! The resumable decoder: it takes received bytes and returns events.

use super::frame::MAX_CONTROL;
use super::partial::{PartialFrame, PartialHeader, PartialMessage, check_text};
use super::payload::PayloadBuffer;
use super::{
    Buffers, CloseFrame, DecodeError, DecoderConfig, Event, FrameHeader, Message, Opcode, ProtocolError,
    apply_mask,
};

/// The bytes that are copied and then unmasked at a time, so that the copy is still in the processor's cache.
const BLOCK: usize = 4096;

/// The result of one call of [`Decoder::decode`].
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Bytes of the input that the decoder has consumed. The next call continues after them.
    pub consumed: usize,
    /// Frames whose headers were read. A frame in the middle of a message counts here but causes no event.
    pub frames: usize,
    /// Whether the event's payload lies in the decoder's buffer rather than in the input.
    pub is_buffered: bool,
    /// The event, or `None` if the input ends before the next one; all of the input is consumed then.
    pub event: Option<Event<'a>>,
}

/// Decodes a stream of frames from pieces of any size.
///
/// A message that lies complete in one piece of input is unmasked in place and lent to the caller, without a copy or an allocation. The
/// decoder copies only incomplete headers, frames and messages, as they arrive: a declared length alone reserves no memory. Between
/// messages the decoder is [idle](Self::is_idle) and can be dropped.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The first bytes of an incomplete header.
    header: PartialHeader,
    /// Whether the last event has borrowed `payload` or `control`, which the next call recycles.
    is_lent: bool,
    /// The frame whose payload is arriving.
    frame: Option<PartialFrame>,
    /// The message whose last frame has not arrived. A control frame between its fragments does not change it (RFC 6455-5.4-5).
    message: Option<PartialMessage>,
    /// The unmasked payload of `message` that has arrived. It holds the whole payload from the last frame until the next call.
    payload: PayloadBuffer,
    /// The payload of a control frame that arrives in pieces.
    control: Vec<u8>,
}

/// The place of the payload of a complete event. `decode` borrows the payload at its end, after all mutable uses.
enum PayloadPlace {
    Input { opcode: Opcode, compressed: bool, range: std::ops::Range<usize> },
    Control(Opcode),
    Message { opcode: Opcode, compressed: bool },
}

/// How far the input completes a partial frame.
enum Progress {
    /// The frame is still incomplete.
    NeedsMore,
    /// The frame is complete, but its message is not.
    Frame,
    Event(PayloadPlace),
}

impl Decoder {
    /// Decodes `input` up to the end of the next event. The caller passes the rest of the input again until there is no event.
    ///
    /// # Errors
    /// Returns an error if the peer breaks the protocol or `buffers` refuses memory. The decoder cannot continue afterwards, but must still
    /// be [cleared](Self::clear).
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        config: &DecoderConfig,
        buffers: &mut impl Buffers,
    ) -> Result<Decoded<'a>, DecodeError> {
        self.recycle_lent(buffers);
        let (mut at, mut frames) = (0, 0);
        let Some(place) = self.advance(input, &mut at, &mut frames, config, buffers)? else {
            return Ok(Decoded { consumed: at, frames, is_buffered: false, event: None });
        };
        let event = match place {
            PayloadPlace::Input { opcode, compressed, range } => event(opcode, compressed, &input[range])?,
            PayloadPlace::Control(opcode) => {
                self.is_lent = true;
                event(opcode, false, &self.control)?
            }
            PayloadPlace::Message { opcode, compressed } => {
                self.is_lent = true;
                event(opcode, compressed, self.payload.bytes())?
            }
        };
        Ok(Decoded { consumed: at, frames, is_buffered: self.is_lent, event: Some(event) })
    }

    /// Takes the buffer that holds the message of the last event; the caller recycles the buffer. Returns `None` if the message lies in the
    /// input.
    pub fn take_buffer(&mut self, buffers: &mut impl Buffers) -> Option<Vec<u8>> {
        let is_message = self.is_lent && self.control.capacity() == 0 && self.message.is_none();
        if !is_message {
            return None;
        }
        self.is_lent = false;
        Some(self.payload.take(buffers))
    }

    /// Returns whether nothing is buffered, so that the next byte begins a new frame outside a message.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        !self.is_partial() && !self.is_lent
    }

    /// Returns whether a header, frame or message has arrived in part.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        !self.header.is_empty() || self.frame.is_some() || self.message.is_some()
    }

    /// Returns the payload bytes that are buffered for incomplete frames and messages.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.payload.len() + self.control.len()
    }

    /// Returns the bytes of buffer memory that are taken and [counted](Buffers::try_count).
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        self.payload.counted() + self.control.capacity()
    }

    /// Returns the bytes of buffer memory that `len` more bytes of input may take if they end within a message.
    #[must_use]
    pub fn buffer_needed(&self, len: usize) -> usize {
        self.payload.needed(len)
    }

    /// Returns the payload bytes of the current data frame that have not arrived; 0 outside a data frame.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.frame.as_ref().filter(|frame| !frame.header.opcode.is_control()).map_or(0, PartialFrame::missing)
    }

    /// Returns a buffer to which the caller can append the rest of a large message without a copy, and the most bytes to append. The caller
    /// reports the number of appended bytes to [`appended`](Self::appended). Returns `None` if a copy costs less, or if there is no memory.
    pub fn spare_capacity(&mut self, buffers: &mut impl Buffers) -> Option<(&mut Vec<u8>, usize)> {
        let frame = self.frame.as_ref().filter(|frame| !frame.header.opcode.is_control())?;
        self.payload.spare_capacity(frame.missing(), buffers)
    }

    /// Notes that `len` bytes were appended to the buffer of [`spare_capacity`](Self::spare_capacity). The caller then calls
    /// [`decode`](Self::decode), with empty input if no other bytes have arrived.
    pub fn appended(&mut self, len: usize, buffers: &mut impl Buffers) {
        self.payload.appended(len, buffers);
    }

    /// Recycles all buffers and makes the decoder idle, even within a message.
    pub fn clear(&mut self, buffers: &mut impl Buffers) {
        for buffer in [self.payload.take(buffers), std::mem::take(&mut self.control)] {
            if buffer.capacity() > 0 {
                buffers.recycle(buffer);
            }
        }
        *self = Self::default();
    }

    /// Recycles the buffer that the last event has borrowed.
    fn recycle_lent(&mut self, buffers: &mut impl Buffers) {
        let message = self.take_buffer(buffers);
        // A control frame can be lent between the fragments of a message, whose payload must stay.
        let control = std::mem::take(&mut self.is_lent).then(|| std::mem::take(&mut self.control));
        if let Some(buffer) = message.or(control).filter(|buffer| buffer.capacity() > 0) {
            buffers.recycle(buffer);
        }
    }

    fn advance(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        frames: &mut usize,
        config: &DecoderConfig,
        buffers: &mut impl Buffers,
    ) -> Result<Option<PayloadPlace>, DecodeError> {
        loop {
            if let Some(frame) = self.frame {
                match self.read_payload(frame, input, at, buffers)? {
                    Progress::NeedsMore => return Ok(None),
                    Progress::Frame => continue,
                    Progress::Event(place) => return Ok(Some(place)),
                }
            }
            // RFC 6455-6.2-1 and 6455-10.7-1
            let Some(header) = self.header.read(&input[*at..], at, config)? else { return Ok(None) };
            *frames += 1;
            if !header.opcode.is_control() {
                self.check_data_frame(&header, config)?;
            }
            if let Some(range) = complete_payload(&header, *at, input.len())
                && (header.opcode.is_control() || (header.fin && self.starts_message(&header)))
            {
                *at = range.end;
                unmask(&mut input[range.clone()], &header, 0);
                let FrameHeader { opcode, compressed, .. } = header;
                return Ok(Some(PayloadPlace::Input { opcode, compressed, range }));
            }
            if !header.opcode.is_control() {
                self.enter_message(&header);
            }
            self.frame = Some(PartialFrame { header, arrived: 0 });
        }
    }

    /// Checks the header of a data frame against the rules of messages before the payload arrives: RFC 6455-5.4-4 and 6455-5.4-11, and the
    /// receiver's limits (RFC 6455-10.4-1 and 6455-10.4-2).
    fn check_data_frame(&self, header: &FrameHeader, config: &DecoderConfig) -> Result<(), ProtocolError> {
        let (frames, compressed) = match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(message)) => (message.frames, message.compressed),
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (_, None) => (0, header.compressed),
        };
        if frames >= config.max_frames {
            return Err(ProtocolError::TooManyFrames);
        }
        let room = config.max_payload(compressed).saturating_sub(self.payload.len());
        if header.payload_len > room as u64 {
            return Err(ProtocolError::MessageTooBig);
        }
        Ok(())
    }

    fn starts_message(&self, header: &FrameHeader) -> bool {
        header.opcode != Opcode::Continuation && self.message.is_none()
    }

    fn enter_message(&mut self, header: &FrameHeader) {
        let FrameHeader { opcode, compressed, .. } = *header;
        let start = PartialMessage::new(opcode, compressed);
        self.message.get_or_insert(start).frames += 1;
    }

    /// Takes the arrived part of a frame's payload.
    fn read_payload(
        &mut self,
        mut frame: PartialFrame,
        input: &mut [u8],
        at: &mut usize,
        buffers: &mut impl Buffers,
    ) -> Result<Progress, DecodeError> {
        let header = frame.header;
        let masked = self.payload.take_masked();
        if !masked.is_empty() {
            unmask(masked, &header, frame.arrived);
            check_text(&mut self.message, masked)?;
            frame.arrived += masked.len() as u64;
        }
        let available = input.len() - *at;
        let missing = frame.missing();
        let take = missing.min(available);
        let piece = &input[*at..*at + take];
        let is_control = header.opcode.is_control();
        let has_room = match take {
            0 => true,
            _ if is_control => buffers.reserve(&mut self.control, take),
            _ => self.payload.reserve(take, missing, buffers),
        };
        if !has_room {
            return Err(DecodeError::OutOfBuffers);
        }
        let target = if is_control { &mut self.control } else { self.payload.bytes_mut() };
        // RFC 6455-5.4-1 and 6455-5.4-3: the payload is one, wherever frames end; RFC 7692-6.2-1: so is that of a compressed message.
        let start = target.len();
        for (block, offset) in piece.chunks(BLOCK).zip((frame.arrived..).step_by(BLOCK)) {
            let copied = target.len();
            target.extend_from_slice(block);
            unmask(&mut target[copied..], &header, offset);
        }
        if !header.opcode.is_control() {
            check_text(&mut self.message, &self.payload.bytes()[start..])?;
        }
        *at += take;
        frame.arrived += take as u64;
        if frame.arrived < header.payload_len {
            self.frame = Some(frame);
            return Ok(Progress::NeedsMore);
        }
        self.frame = None;
        if header.opcode.is_control() {
            return Ok(Progress::Event(PayloadPlace::Control(header.opcode)));
        }
        // RFC 6455-5.4-6
        if !header.fin {
            return Ok(Progress::Frame);
        }
        // RFC 6455-6.2-4: the next data frame begins a message of its own.
        let Some(PartialMessage { opcode, compressed, .. }) = self.message.take() else {
            return Ok(Progress::Frame);
        };
        Ok(Progress::Event(PayloadPlace::Message { opcode, compressed }))
    }
}

/// Returns the range of a frame's payload in the input if the input holds all of it.
fn complete_payload(header: &FrameHeader, at: usize, input_len: usize) -> Option<std::ops::Range<usize>> {
    let len = usize::try_from(header.payload_len).ok()?;
    (len <= input_len - at).then(|| at..at + len)
}

fn unmask(piece: &mut [u8], header: &FrameHeader, offset: u64) {
    if let Some(key) = header.key {
        // RFC 6455-6.2-5
        apply_mask(piece, key, offset);
    }
}

/// Returns the event of a finished payload. A fragmented text was checked as it arrived, to fail early. It is checked again here, because
/// it may end within a character and the standard library has no safe conversion without a check. Most messages are unfragmented and are
/// checked only once.
#[inline]
fn event(opcode: Opcode, compressed: bool, payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    debug_assert!(!opcode.is_control() || payload.len() <= MAX_CONTROL);
    Ok(match opcode {
        _ if compressed => Event::Compressed { opcode, payload },
        // RFC 7692-6.2-2
        Opcode::Text | Opcode::Binary | Opcode::Continuation => {
            Event::Message(Message::new(opcode, payload)?)
        }
        Opcode::Close => Event::Close(CloseFrame::parse(payload)?),
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
    })
}
