//! The resumable decoder: received bytes in, events out.

use super::frame::MAX_CONTROL;
use super::partial::{PartialFrame, PartialHeader, PartialMessage, check_text};
use super::payload::PayloadBuffer;
use super::{
    Buffers, CloseFrame, DecodeError, DecoderConfig, Event, FrameHeader, Message, Opcode, ProtocolError,
    apply_mask,
};

/// Bytes that are unmasked while the processor still has their copy at hand.
const BLOCK: usize = 4096;

/// One step of [`Decoder::decode`].
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Bytes of the input that are done with; continue behind them.
    pub consumed: usize,
    /// Frames whose headers were read, of which those in the middle of a message bring about no event.
    pub frames: usize,
    /// Whether the event's payload lies in the decoder's buffer rather than in the input.
    pub is_buffered: bool,
    /// What happened, or `None` when the input holds no further event: then all of it was consumed.
    pub event: Option<Event<'a>>,
}

/// Decodes a stream of frames from pieces of any size.
///
/// A message that lies whole in one piece of input is unmasked there and lent to the caller from there: no copy, no
/// allocation. Only what is incomplete moves into the decoder, and only as it arrives: a declared length reserves nothing.
/// Between whole messages the decoder is [idle](Self::is_idle) and can be thrown away.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The first bytes of an incomplete header.
    header: PartialHeader,
    /// Whether `payload` was lent out by the last event and goes back at the next call.
    lent: bool,
    /// A frame whose payload is still arriving.
    frame: Option<PartialFrame>,
    /// A message whose last frame has not arrived. RFC 6455-5.4-5: a control frame in between leaves it alone.
    message: Option<PartialMessage>,
    /// The payload of `message` so far, unmasked; after its last frame until the next call, all of it.
    payload: PayloadBuffer,
    /// The payload of a control frame that did not arrive whole.
    control: Vec<u8>,
}

/// Where the payload of a finished event is; turned into a borrow only at the very end.
enum Finished {
    Input { opcode: Opcode, compressed: bool, range: std::ops::Range<usize> },
    Control(Opcode),
    Message { opcode: Opcode, compressed: bool },
}

/// How far the input carried a partial frame.
enum Progress {
    /// Not to its end.
    NeedsMore,
    /// To the end of the frame, but not of its message.
    Frame,
    Event(Finished),
}

impl Decoder {
    /// Takes in `input` up to the end of the next event. Call it again with the rest until there is no event.
    ///
    /// # Errors
    /// The peer broke the protocol, or `buffers` gave no memory. The decoder is of no further use then, but must still be
    /// [cleared](Self::clear).
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        config: &DecoderConfig,
        buffers: &mut impl Buffers,
    ) -> Result<Decoded<'a>, DecodeError> {
        self.take_back(buffers);
        let (mut at, mut frames) = (0, 0);
        let Some(finished) = self.advance(input, &mut at, &mut frames, config, buffers)? else {
            return Ok(Decoded { consumed: at, frames, is_buffered: false, event: None });
        };
        let event = match finished {
            Finished::Input { opcode, compressed, range } => event(opcode, compressed, &input[range])?,
            Finished::Control(opcode) => {
                self.lent = true;
                event(opcode, false, &self.control)?
            }
            Finished::Message { opcode, compressed } => {
                self.lent = true;
                event(opcode, compressed, self.payload.bytes())?
            }
        };
        Ok(Decoded { consumed: at, frames, is_buffered: self.lent, event: Some(event) })
    }

    /// Takes the buffer that the message of the last event lies in, or returns `None` where it lies in the input. The caller recycles it.
    pub fn take_buffer(&mut self, buffers: &mut impl Buffers) -> Option<Vec<u8>> {
        let is_message = self.lent && self.control.capacity() == 0 && self.message.is_none();
        if !is_message {
            return None;
        }
        self.lent = false;
        Some(self.payload.take(buffers))
    }

    /// Whether nothing is buffered: the next byte starts a new message.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        !self.is_partial() && !self.lent
    }

    /// Whether a frame or a message has begun and not ended.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        !self.header.is_empty() || self.frame.is_some() || self.message.is_some()
    }

    /// Payload bytes kept for what has not arrived whole.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.payload.len() + self.control.len()
    }

    /// Bytes of buffer memory that are taken and [counted](Buffers::try_count).
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        self.payload.counted() + self.control.capacity()
    }

    /// Bytes of buffer memory that `len` more bytes of input may take, if they end within a message.
    #[must_use]
    pub fn buffer_needed(&self, len: usize) -> usize {
        self.payload.needed(len)
    }

    /// Payload bytes of the current data frame that have not arrived; 0 without one.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.frame.as_ref().filter(|frame| !frame.header.opcode.is_control()).map_or(0, PartialFrame::missing)
    }

    /// Where the rest of a large message can arrive without a copy: a buffer to append to, and how many bytes at most. Tell
    /// [`appended`](Self::appended) how many it was. `None` where a copy costs less, or there is no memory for it.
    pub fn spare_capacity(&mut self, buffers: &mut impl Buffers) -> Option<(&mut Vec<u8>, usize)> {
        let frame = self.frame.as_ref().filter(|frame| !frame.header.opcode.is_control())?;
        self.payload.spare_capacity(frame.missing(), buffers)
    }

    /// So many bytes were appended to the buffer of [`spare_capacity`](Self::spare_capacity). Decode what has arrived besides, even if that is nothing.
    pub fn appended(&mut self, len: usize, buffers: &mut impl Buffers) {
        self.payload.appended(len, buffers);
    }

    /// Gives all memory back and becomes idle, whatever had arrived.
    pub fn clear(&mut self, buffers: &mut impl Buffers) {
        for buffer in [self.payload.take(buffers), std::mem::take(&mut self.control)] {
            if buffer.capacity() > 0 {
                buffers.recycle(buffer);
            }
        }
        *self = Self::default();
    }

    /// Gives back the buffer that the last event was lent from.
    fn take_back(&mut self, buffers: &mut impl Buffers) {
        let message = self.take_buffer(buffers);
        // A control frame can be lent in the middle of a message, whose payload must stay.
        let control = std::mem::take(&mut self.lent).then(|| std::mem::take(&mut self.control));
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
    ) -> Result<Option<Finished>, DecodeError> {
        loop {
            if let Some(frame) = self.frame {
                match self.take_payload(frame, input, at, buffers)? {
                    Progress::NeedsMore => return Ok(None),
                    Progress::Frame => continue,
                    Progress::Event(finished) => return Ok(Some(finished)),
                }
            }
            // RFC 6455-6.2-1 and 6455-10.7-1
            let Some(header) = self.header.read(&input[*at..], at, config)? else { return Ok(None) };
            *frames += 1;
            if !header.opcode.is_control() {
                self.admit(&header, config)?;
            }
            if let Some(range) = complete_payload(&header, *at, input.len())
                && (header.opcode.is_control() || (header.fin && self.starts_message(&header)))
            {
                *at = range.end;
                unmask(&mut input[range.clone()], &header, 0);
                let FrameHeader { opcode, compressed, .. } = header;
                return Ok(Some(Finished::Input { opcode, compressed, range }));
            }
            if !header.opcode.is_control() {
                self.enter_message(&header);
            }
            self.frame = Some(PartialFrame { header, arrived: 0 });
        }
    }

    /// Applies the rules of messages to the header of a data frame, before its payload comes: RFC 6455-5.4-4, 6455-5.4-11, and
    /// our limits, RFC 6455-10.4-1 and 6455-10.4-2.
    fn admit(&self, header: &FrameHeader, config: &DecoderConfig) -> Result<(), ProtocolError> {
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

    /// Takes what has arrived of a frame's payload.
    fn take_payload(
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
        // RFC 6455-5.4-1 and 6455-5.4-3: one payload, wherever frames end; RFC 7692-6.2-1: also that of a compressed message.
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
            return Ok(Progress::Event(Finished::Control(header.opcode)));
        }
        // RFC 6455-5.4-6
        if !header.fin {
            return Ok(Progress::Frame);
        }
        // RFC 6455-6.2-4: what comes next is a message of its own.
        let Some(PartialMessage { opcode, compressed, .. }) = self.message.take() else {
            return Ok(Progress::Frame);
        };
        Ok(Progress::Event(Finished::Message { opcode, compressed }))
    }
}

/// The range of a frame's payload when all of it lies in the input.
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

/// The event of a finished payload. A text that came in pieces was checked on the way, to fail early, and is checked again
/// here, for its end and because the standard library has no safe way to take our word for the rest; whole messages are the
/// common case.
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
