//! Streams at random: good ones through the crate's encoder, and damaged ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use throng::ws::{CloseCode, DecoderConfig, Opcode, Role, encode};

use super::replay::Said;

/// A message, where it is cut into fragments, and the control frames between them.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) message: Said,
    pub(crate) cuts: Vec<Index>,
    pub(crate) between: Vec<Said>,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..140),
        // A long one is one byte many times: what is in it matters less than how its length is written.
        1 => (any::<u8>(), prop_oneof![120..130_usize, 65_530..65_540_usize]).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn control() -> impl Strategy<Value = Said> {
    let payload = || prop_oneof![vec(any::<u8>(), 0..=125), Just(vec![7; 125])];
    let code = prop_oneof![1000..=1003_u16, 1007..=1014_u16, 3000..=4999_u16];
    prop_oneof![
        payload().prop_map(Said::Ping),
        payload().prop_map(Said::Pong),
        (code, "[a-zé😀]{0,30}").prop_map(|(code, reason)| Said::Close(Some(code), reason)),
        Just(Said::Close(None, String::new())),
    ]
}

pub(crate) fn sent() -> impl Strategy<Value = Sent> {
    in_fragments(prop_oneof![".{0,50}".prop_map(Said::Text), payload().prop_map(Said::Binary)])
}

/// Messages of which some are marked as compressed; what is in them is anything.
fn sent_with_deflate() -> impl Strategy<Value = Sent> {
    let marked = (any::<bool>(), payload()).prop_map(|(is_text, bytes)| Said::Compressed(is_text, bytes));
    prop_oneof![sent(), in_fragments(marked)]
}

pub(crate) fn in_fragments(message: impl Strategy<Value = Said>) -> impl Strategy<Value = Sent> {
    (message, vec(any::<Index>(), 0..5), vec(control(), 0..5)).prop_map(|(message, cuts, between)| Sent {
        message,
        cuts,
        between,
    })
}

/// A script for either role, with permessage-deflate agreed on or not.
pub(crate) fn agreed(len: std::ops::Range<usize>) -> impl Strategy<Value = (DecoderConfig, Vec<Sent>)> {
    either_rules().prop_flat_map(move |config| {
        let sent = if config.deflate { sent_with_deflate().boxed() } else { sent().boxed() };
        (Just(config), vec(sent, len.clone()))
    })
}

pub(crate) fn either_rules() -> impl Strategy<Value = DecoderConfig> {
    prop_oneof![role().prop_map(config), role().prop_map(with_deflate)]
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

pub(crate) fn pieces() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![vec(any::<Index>(), 0..3), vec(any::<Index>(), 0..60)]
}

/// Places in `0..=len`, ascending.
pub(crate) fn places(indices: &[Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = indices.iter().map(|index| index.index(len + 1)).collect();
    places.sort_unstable();
    places
}

pub(crate) const fn config(role: Role) -> DecoderConfig {
    DecoderConfig { role, max_message: 70_000, max_frames: 10, deflate: false }
}

/// The same where permessage-deflate is agreed on.
pub(crate) const fn with_deflate(role: Role) -> DecoderConfig {
    DecoderConfig { deflate: true, ..config(role) }
}

/// Writes what the peer of `role` sends, and what must be heard.
pub(crate) fn encoded(script: &[Sent], role: Role, mut key: [u8; 4]) -> (Vec<u8>, Vec<Said>) {
    let (mut stream, mut heard) = (Vec::new(), Vec::new());
    let mut next_key = || {
        key = u32::from_le_bytes(key).wrapping_mul(0x9e37_79b1).wrapping_add(1).to_le_bytes();
        (role == Role::Server).then_some(key)
    };
    for Sent { message, cuts, between } in script {
        let (opcode, payload) = match message {
            Said::Text(text) => (Opcode::Text, text.as_bytes()),
            Said::Binary(bytes) | Said::Compressed(false, bytes) => (Opcode::Binary, &bytes[..]),
            Said::Compressed(true, bytes) => (Opcode::Text, &bytes[..]),
            control => unreachable!("{control:?} is no message"),
        };
        let mut between = between.iter();
        let mut start = 0;
        let ends: Vec<usize> = places(cuts, payload.len()).into_iter().chain([payload.len()]).collect();
        for (i, &end) in ends.iter().enumerate() {
            let fin = i + 1 == ends.len();
            let piece = &payload[start..end];
            match (i, message) {
                (0, Said::Compressed(..)) => {
                    encode::compressed_fragment(&mut stream, fin.into(), opcode, piece, next_key());
                }
                (0, _) => encode::fragment(&mut stream, fin.into(), opcode, piece, next_key()),
                _ => encode::fragment(&mut stream, fin.into(), Opcode::Continuation, piece, next_key()),
            }
            start = end;
            if !fin && let Some(control) = between.next() {
                encode_control(&mut stream, control, next_key());
                heard.push(control.clone());
            }
        }
        heard.push(message.clone());
        for control in between {
            encode_control(&mut stream, control, next_key());
            heard.push(control.clone());
        }
    }
    (stream, heard)
}

fn encode_control(stream: &mut Vec<u8>, control: &Said, key: Option<[u8; 4]>) {
    match control {
        Said::Ping(payload) => encode::frame(stream, Opcode::Ping, payload, key),
        Said::Pong(payload) => encode::frame(stream, Opcode::Pong, payload, key),
        Said::Close(code, reason) => {
            encode::close(stream, code.and_then(CloseCode::new), reason, key);
        }
        message => unreachable!("{message:?} is no control frame"),
    }
}

/// Frames that follow one another without a plan, with a header that is wrong now and then.
fn unplanned(config: &DecoderConfig) -> impl Strategy<Value = Vec<u8>> + use<> {
    let mut known = vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a_u8];
    if config.deflate {
        known.extend([0x41, 0x42, 0xc1, 0xc2]);
    }
    let first = prop_oneof![20 => prop::sample::select(known), 1 => any::<u8>()];
    let code = prop_oneof![995..1020_u16, 2995..3005_u16, 4995..5005_u16];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..4),
        vec(Just(b'a'), 0..130),
        // Pieces of "é😀", so that fragments can make it whole.
        (0..7_usize, 0..7_usize).prop_map(|(start, len)| "é😀é😀".as_bytes()[start..][..len.min(5)].to_vec()),
        code.prop_map(|code| [&code.to_be_bytes()[..], b"why"].concat()),
    ];
    let masked = prop_oneof![20 => Just(config.role == Role::Server), 1 => any::<bool>()];
    let form = prop_oneof![20 => Just(0), 1 => Just(126_u8), 1 => Just(127)];
    let frame = (first, masked, form, payload).prop_map(|(first, masked, form, payload)| {
        let mut frame = vec![first];
        let len = payload.len() as u64;
        match form.max(if len > 125 { 126 } else { 0 }) {
            0 => frame.push(len.to_be_bytes()[7]),
            126 => frame.extend([&[126], &len.to_be_bytes()[6..]].concat()),
            _ => frame.extend([&[127], &len.to_be_bytes()[..]].concat()),
        }
        if masked {
            // A key of zeros, so that the payload stays what it is.
            frame[1] |= 0x80;
            frame.extend([0; 4]);
        }
        frame.extend(payload);
        frame
    });
    vec(frame, 0..12).prop_map(|frames| frames.concat())
}

/// Bytes that go wrong somewhere: a good stream with a few bytes changed, frames in no order, or no frames at all.
pub(crate) fn damaged(config: &DecoderConfig) -> impl Strategy<Value = Vec<u8>> + use<> {
    let role = config.role;
    let sent = if config.deflate { sent_with_deflate().boxed() } else { sent().boxed() };
    let changed = (vec(sent, 1..4), any::<[u8; 4]>(), vec((any::<Index>(), any::<u8>()), 0..4));
    prop_oneof![
        vec(any::<u8>(), 0..100),
        unplanned(config),
        changed.prop_map(move |(script, key, changes)| {
            let (mut stream, _) = encoded(&script, role, key);
            for (at, byte) in changes {
                let at = at.index(stream.len());
                stream[at] ^= byte;
            }
            stream
        }),
    ]
}
