//! The resumable decoder: received bytes in, events out.

use super::frame::{MAX_CONTROL, MAX_HEADER};
use super::utf8::Utf8Check;
use super::{
    Buffers, CloseFrame, DecodeError, DecoderConfig, Event, FrameHeader, Message, Opcode, ProtocolError,
    apply_mask,
};

/// Bytes of a message from which on memory is taken ahead of what has arrived.
pub(crate) const LARGE: usize = 64 * 1024;
/// Up to how much of its declared length memory is there for once a message is large: most large messages need no more, and each byte
/// that has to move to a larger buffer costs as much as receiving it.
const AHEAD: usize = 1024 * 1024;
/// Bytes for which it pays to have them arrive in a place of their own.
const WORTH_A_CALL: usize = 16 * 1024;

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
    /// The first bytes of an incomplete header; only the first `header_len` count.
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// Whether `payload` was lent out by the last event and goes back at the next call.
    lent: bool,
    /// A frame whose payload is still arriving.
    frame: Option<PartialFrame>,
    /// A message whose last frame has not arrived. RFC 6455-5.4-5: a control frame in between leaves it alone.
    message: Option<PartialMessage>,
    /// The payload of `message` so far, unmasked; after its last frame until the next call, all of it.
    payload: Vec<u8>,
    /// Bytes at the end of the capacity of `payload` that are not [counted](Buffers::try_count): memory that nothing has been put into.
    uncounted: usize,
    /// Bytes at the end of `payload` that arrived [there](Self::spare_capacity) and are still masked.
    masked: usize,
    /// The payload of a control frame that did not arrive whole.
    control: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct PartialFrame {
    header: FrameHeader,
    /// Payload bytes that have arrived, less than `header.payload_len`.
    arrived: u64,
}

impl PartialFrame {
    /// As far as memory is concerned: bytes that have not arrived.
    fn missing(&self) -> usize {
        usize::try_from(self.header.payload_len - self.arrived).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, Clone, Copy)]
struct PartialMessage {
    /// Text or binary, as its first frame has it (RFC 6455-6.2-3).
    opcode: Opcode,
    compressed: bool,
    frames: u32,
    utf8: Utf8Check,
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
                event(opcode, compressed, &self.payload)?
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
        self.count_rest(buffers);
        Some(std::mem::take(&mut self.payload))
    }

    /// Has all of the payload's buffer count.
    fn count_rest(&mut self, buffers: &mut impl Buffers) {
        if self.uncounted > 0 {
            buffers.count(std::mem::take(&mut self.uncounted));
        }
    }

    /// Whether nothing is buffered: the next byte starts a new message.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        !self.is_partial() && !self.lent
    }

    /// Whether a frame or a message has begun and not ended.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.header_len > 0 || self.frame.is_some() || self.message.is_some()
    }

    /// Payload bytes kept for what has not arrived whole.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.payload.len() + self.control.len()
    }

    /// Bytes of buffer memory that are taken and [counted](Buffers::try_count).
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        self.payload.capacity() + self.control.capacity() - self.uncounted
    }

    /// Bytes of buffer memory that `len` more bytes of input may take, if they end within a message.
    #[must_use]
    pub fn buffer_needed(&self, len: usize) -> usize {
        let room = self.payload.capacity() - self.payload.len();
        if room >= len { self.fresh(len) } else { self.payload.len().saturating_add(len) }
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
        let missing = frame.missing();
        let len = self.payload.len();
        if len >= LARGE && self.payload.capacity() - len < missing.min(LARGE) {
            self.reserve_ahead(missing.min(ahead(len)), buffers);
        }
        let room = missing.min(self.payload.capacity() - len);
        (room >= WORTH_A_CALL).then_some((&mut self.payload, room))
    }

    /// So many bytes were appended to the buffer of [`spare_capacity`](Self::spare_capacity). Decode what has arrived besides, even if that is nothing.
    pub fn appended(&mut self, len: usize, buffers: &mut impl Buffers) {
        self.masked = len;
        let fresh = self.fresh(0);
        self.uncounted -= fresh;
        buffers.count(fresh);
    }

    /// Bytes at the end of the payload, with `additional` more, that are not counted.
    fn fresh(&self, additional: usize) -> usize {
        let counted = self.payload.capacity() - self.uncounted;
        (self.payload.len() + additional).saturating_sub(counted)
    }

    fn reserve_ahead(&mut self, additional: usize, buffers: &mut impl Buffers) {
        self.count_rest(buffers);
        self.uncounted = buffers.reserve_ahead(&mut self.payload, additional);
    }

    /// Makes room for payload that has arrived. `false` when there is no memory for it.
    fn reserve(&mut self, additional: usize, buffers: &mut impl Buffers) -> bool {
        if self.payload.capacity() - self.payload.len() < additional {
            self.count_rest(buffers);
            return buffers.reserve(&mut self.payload, additional);
        }
        let fresh = self.fresh(additional);
        if fresh > 0 && !buffers.try_count(fresh) {
            return false;
        }
        self.uncounted -= fresh;
        true
    }

    /// Gives all memory back and becomes idle, whatever had arrived.
    pub fn clear(&mut self, buffers: &mut impl Buffers) {
        self.count_rest(buffers);
        for buffer in [std::mem::take(&mut self.payload), std::mem::take(&mut self.control)] {
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
            let Some(header) = self.take_header(input, at, config)? else { return Ok(None) };
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

    /// Reads a header from the kept bytes and the input, or keeps what there is of one.
    fn take_header(
        &mut self,
        input: &[u8],
        at: &mut usize,
        config: &DecoderConfig,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let rest = &input[*at..];
        let kept = usize::from(self.header_len);
        if kept == 0
            && let Some((header, len)) = FrameHeader::parse_extended(rest, config.role, config.deflate)?
        {
            *at += len;
            return Ok(Some(header));
        }
        let fresh = rest.len().min(MAX_HEADER - kept);
        self.header[kept..kept + fresh].copy_from_slice(&rest[..fresh]);
        match FrameHeader::parse_extended(&self.header[..kept + fresh], config.role, config.deflate)? {
            Some((header, len)) => {
                self.header_len = 0;
                // The header was incomplete without the input, so it ends inside it.
                *at += len - kept;
                Ok(Some(header))
            }
            None => {
                *at += fresh;
                // At most MAX_HEADER - 1: that many bytes always complete a header.
                #[expect(clippy::cast_possible_truncation, reason = "below 14")]
                {
                    self.header_len = (kept + fresh) as u8;
                }
                Ok(None)
            }
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
        let start = PartialMessage { opcode, compressed, frames: 0, utf8: Utf8Check::default() };
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
        let masked = std::mem::take(&mut self.masked);
        if masked > 0 {
            let start = self.payload.len() - masked;
            let piece = &mut self.payload[start..];
            unmask(piece, &header, frame.arrived);
            check_text(&mut self.message, piece)?;
            frame.arrived += masked as u64;
        }
        let available = input.len() - *at;
        let missing = frame.missing();
        let take = missing.min(available);
        let piece = &input[*at..*at + take];
        let is_control = header.opcode.is_control();
        let arrived = self.payload.len() + take;
        if !is_control && arrived >= LARGE && self.payload.capacity() < arrived {
            self.reserve_ahead(missing.min(take + ahead(arrived)), buffers);
        }
        let has_room = match take {
            0 => true,
            _ if is_control => buffers.reserve(&mut self.control, take),
            _ => self.reserve(take, buffers),
        };
        if !has_room {
            return Err(DecodeError::OutOfBuffers);
        }
        let target = if is_control { &mut self.control } else { &mut self.payload };
        // RFC 6455-5.4-1 and 6455-5.4-3: one payload, wherever frames end; RFC 7692-6.2-1: also that of a compressed message.
        let start = target.len();
        for (block, offset) in piece.chunks(BLOCK).zip((frame.arrived..).step_by(BLOCK)) {
            let copied = target.len();
            target.extend_from_slice(block);
            unmask(&mut target[copied..], &header, offset);
        }
        if !header.opcode.is_control() {
            check_text(&mut self.message, &self.payload[start..])?;
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

/// How much more than what has arrived of a large message there may be room for, whatever was declared.
fn ahead(arrived: usize) -> usize {
    AHEAD.saturating_sub(arrived).max(3 * arrived)
}

/// Checks a further piece of a message, if that is text as it is.
fn check_text(message: &mut Option<PartialMessage>, piece: &[u8]) -> Result<(), ProtocolError> {
    match message {
        Some(PartialMessage { opcode: Opcode::Text, compressed: false, utf8, .. }) => {
            // RFC 6455-5.6-1: a character may be split between frames.
            utf8.feed(piece).map_err(|_| ProtocolError::InvalidUtf8)
        }
        _ => Ok(()),
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
