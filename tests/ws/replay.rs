//! Replays bytes into a decoder in given pieces, watching what it does with memory.

use throng::ws::{Buffers, DecodeError, Decoder, DecoderConfig, Event, Message, Opcode, Role};

/// An event that owns its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    /// A text that is compressed, or a binary message.
    Compressed(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Self::Text(text.into()),
            Event::Message(Message::Binary(bytes)) => Self::Binary(bytes.into()),
            Event::Compressed { opcode, payload } => Self::Compressed(opcode == Opcode::Text, payload.into()),
            Event::Ping(payload) => Self::Ping(payload.into()),
            Event::Pong(payload) => Self::Pong(payload.into()),
            Event::Close(close) => Self::Close(close.code.map(|code| code.get()), close.reason.into()),
        }
    }
}

/// Buffers that know what is out, give nothing more than is asked for, and refuse once `limit` bytes are out.
#[derive(Debug)]
pub(crate) struct Counting {
    /// Buffers given and not taken back.
    pub(crate) out: usize,
    /// Their capacity.
    pub(crate) bytes: usize,
    /// Calls of `reserve`.
    pub(crate) asked: usize,
    pub(crate) limit: usize,
}

impl Counting {
    pub(crate) const fn new() -> Self {
        Self { out: 0, bytes: 0, asked: 0, limit: usize::MAX }
    }

    pub(crate) fn assert_all_returned(&self) {
        assert_eq!((self.out, self.bytes), (0, 0), "buffers and their bytes that never came back");
    }
}

impl Buffers for Counting {
    fn reserve(&mut self, buffer: &mut Vec<u8>, additional: usize) -> bool {
        self.asked += 1;
        assert!(additional > 0, "asked for nothing");
        if self.bytes + additional > self.limit {
            return false;
        }
        let before = buffer.capacity();
        self.out += usize::from(before == 0);
        buffer.reserve_exact(additional);
        self.bytes += buffer.capacity() - before;
        true
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        assert!(buffer.capacity() > 0, "a buffer came back that was never given");
        self.out -= 1;
        self.bytes -= buffer.capacity();
    }
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) said: Vec<Said>,
    pub(crate) error: Option<DecodeError>,
    /// Bytes that had been fed when it ended.
    pub(crate) fed: usize,
    /// Whether the decoder was idle at the end of what it was fed.
    pub(crate) idle: bool,
}

pub(crate) const fn config(role: Role) -> DecoderConfig {
    DecoderConfig { role, max_message: 70_000, max_frames: 8, deflate: false }
}

/// The same where permessage-deflate is agreed on.
pub(crate) const fn with_deflate(role: Role) -> DecoderConfig {
    DecoderConfig { deflate: true, ..config(role) }
}

/// Feeds `bytes` in pieces that end at `ends` (ascending) and at the end.
///
/// On the way it checks what holds of every replay: a step consumes at most its input, and all of it where it has no event;
/// no more memory is held than bytes have arrived; an idle decoder holds none; after `clear` none is held at all.
pub(crate) fn replay(bytes: &[u8], ends: impl IntoIterator<Item = usize>, config: &DecoderConfig) -> Outcome {
    let mut decoder = Decoder::default();
    let mut buffers = Counting::new();
    let mut outcome = Outcome { said: Vec::new(), error: None, fed: 0, idle: true };
    for end in ends.into_iter().chain([bytes.len()]) {
        let mut piece = bytes[outcome.fed..end].to_vec();
        outcome.fed = end;
        outcome.error = feed(&mut decoder, &mut piece, config, &mut buffers, &mut outcome.said).err();
        assert!(buffers.bytes <= outcome.fed, "{} bytes held of {} that arrived", buffers.bytes, outcome.fed);
        if outcome.error.is_some() {
            break;
        }
        if decoder.is_idle() {
            buffers.assert_all_returned();
        }
    }
    outcome.idle = decoder.is_idle();
    decoder.clear(&mut buffers);
    assert!(decoder.is_idle() && decoder.buffered() == 0);
    buffers.assert_all_returned();
    outcome
}

/// Decodes all of `piece`, as a worker does after a read.
pub(crate) fn feed(
    decoder: &mut Decoder,
    piece: &mut [u8],
    config: &DecoderConfig,
    buffers: &mut Counting,
    said: &mut Vec<Said>,
) -> Result<(), DecodeError> {
    let mut at = 0;
    loop {
        let left = piece.len() - at;
        let decoded = decoder.decode(&mut piece[at..], config, buffers)?;
        assert!(decoded.consumed <= left);
        at += decoded.consumed;
        match decoded.event {
            Some(event) => {
                said.push(event.into());
                if decoder.is_idle() {
                    // It may be dropped now, and what it lent with it.
                    buffers.assert_all_returned();
                }
            }
            None => {
                assert_eq!(decoded.consumed, left, "nothing is left where there is no event");
                return Ok(());
            }
        }
    }
}
