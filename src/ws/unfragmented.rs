//! The parser of the most frequent input: an unfragmented message (RFC 6455, section 5.4) that lies complete in the input.

use super::Opcode;
use super::mask::move_masked;

/// The first bytes of an unfragmented message: FIN, no reserved bits, and the opcode (RFC 6455, section 5.2).
const TEXT: u8 = 0x80 | Opcode::Text as u8;
const BINARY: u8 = 0x80 | Opcode::Binary as u8;
/// The MASK bit of a frame's second byte.
const MASKED: u8 = 0x80;

/// An unfragmented message of a client that lies complete in the input, still masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfragmentedMessage {
    /// The message's opcode, text or binary.
    pub opcode: Opcode,
    /// The length of the payload in bytes.
    pub len: usize,
    /// The length in bytes of a server's header for this payload, which has no masking key.
    pub header_len: usize,
    key: [u8; 4],
    start: usize,
}

impl UnfragmentedMessage {
    /// Returns whether the first byte of `input` may begin an unfragmented message.
    #[inline]
    #[must_use]
    pub const fn may_begin(input: &[u8]) -> bool {
        matches!(input, [TEXT | BINARY, ..])
    }

    /// Parses a client's message of at most `max_message` bytes at the start of `input`, outside a fragmented message. Returns `None` for
    /// anything else, legal or not: a [`Decoder`](super::Decoder) handles such input. `parse` does not check that a text is UTF-8;
    /// [`Message::new`](super::Message::new) does.
    #[inline]
    #[must_use]
    pub fn parse(input: &[u8], max_message: usize) -> Option<Self> {
        let opcode = match *input.first()? {
            TEXT => Opcode::Text,
            BINARY => Opcode::Binary,
            _ => return None,
        };
        let (len, at) = match input.get(1)? ^ MASKED {
            len @ 0..=125 => (usize::from(len), 2),
            126 => {
                let len = u16::from_be_bytes(*input.get(2..)?.first_chunk()?);
                // RFC 6455-5.2-4: the length must have its shortest form.
                if len < 126 {
                    return None;
                }
                (usize::from(len), 4)
            }
            127 => {
                let len = u64::from_be_bytes(*input.get(2..)?.first_chunk()?);
                if len <= u64::from(u16::MAX) {
                    return None;
                }
                (usize::try_from(len).ok()?, 10)
            }
            // RFC 6455-5.1-2
            _ => return None,
        };
        let key = *input.get(at..)?.first_chunk()?;
        let start = at + size_of_val(&key);
        if len > max_message || input.len() - start < len {
            return None;
        }
        Some(Self { opcode, len, header_len: at, key, start })
    }

    /// Returns the offset of the frame's end from its start.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start + self.len
    }

    /// Unmasks the payload (RFC 6455-6.2-5) of the message at `at` in `bytes`, and moves it to the place of the payload in a server's frame
    /// that begins at `to`, which is at most `at`. Returns the payload.
    #[inline(always)]
    pub fn unmask_to<'a>(&self, bytes: &'a mut [u8], at: usize, to: usize) -> &'a [u8] {
        let to = to + self.header_len;
        // The client's header has a masking key in addition, so that the source is always at least a word behind the target.
        move_masked(bytes, at + self.start, to, self.len, self.key);
        &bytes[to..to + self.len]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ws::{Decoder, DecoderConfig, Event, Heap, Message, Role, encode};

    const CONFIG: DecoderConfig =
        DecoderConfig { role: Role::Server, max_message: 70_000, max_frames: 8, deflate: false };

    /// Decodes the same input with the decoder; returns the bytes consumed and the message.
    fn decoded(input: &mut [u8], config: &DecoderConfig) -> Option<(usize, Opcode, Vec<u8>)> {
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(input, config, &mut Heap).ok()?;
        match decoded.event? {
            Event::Message(message) => {
                Some((decoded.consumed, message.opcode(), message.as_bytes().to_vec()))
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn is_what_the_decoder_finds(
            len in prop_oneof![0..300_usize, 65_530..65_545_usize, 69_995..70_005_usize],
            text: bool, key: [u8; 4], cut in 0..20_usize, flip in prop::option::of((0..14_usize, 0..8_u32)), deflate: bool,
        ) {
            let opcode = if text { Opcode::Text } else { Opcode::Binary };
            let mut input = Vec::new();
            encode::frame(&mut input, opcode, &vec![b'x'; len], Some(key));
            input.extend(b"what comes next");
            if let Some((at, bit)) = flip {
                input[at] ^= 1 << bit;
            }
            input.truncate(input.len() - cut);
            let config = DecoderConfig { deflate, ..CONFIG };
            if let Some(parsed) = UnfragmentedMessage::parse(&input, config.max_message) {
                let mut moved = input.clone();
                let payload = parsed.unmask_to(&mut moved, 0, 0).to_vec();
                prop_assert_eq!(&moved[parsed.end()..], &input[parsed.end()..]);
                let is_message = Message::new(parsed.opcode, &payload).is_ok();
                let found = is_message.then_some((parsed.end(), parsed.opcode, payload));
                prop_assert_eq!(decoded(&mut input, &config), found);
            }
        }

        #[test]
        fn misses_none(len in 0..70_000_usize, key: [u8; 4]) {
            let mut input = Vec::new();
            encode::frame(&mut input, Opcode::Binary, &vec![7; len], Some(key));
            let parsed = UnfragmentedMessage::parse(&input, CONFIG.max_message).unwrap();
            prop_assert_eq!((parsed.end(), parsed.len), (input.len(), len));
            prop_assert_eq!(parsed.header_len, encode::header_len(len));
        }
    }
}
