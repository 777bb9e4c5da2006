//! What holds of every stream, however it was written and however it arrives.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use throng::ws::{DecodeError, Decoder, Opcode, Role, Rules, encode};

use super::replay::{Counting, Said, feed, replay};

/// A message, where it is cut into fragments, and the control frames between them.
#[derive(Debug, Clone)]
struct Sent {
    message: Said,
    cuts: Vec<Index>,
    between: Vec<Said>,
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

fn sent() -> impl Strategy<Value = Sent> {
    let message = prop_oneof![".{0,50}".prop_map(Said::Text), payload().prop_map(Said::Binary)];
    (message, vec(any::<Index>(), 0..5), vec(control(), 0..5)).prop_map(|(message, cuts, between)| Sent {
        message,
        cuts,
        between,
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

fn pieces() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![vec(any::<Index>(), 0..3), vec(any::<Index>(), 0..60)]
}

/// Places in `0..=len`, ascending.
fn places(indices: &[Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = indices.iter().map(|index| index.index(len + 1)).collect();
    places.sort_unstable();
    places
}

const fn rules(role: Role) -> Rules {
    Rules { role, max_message: 1 << 20, max_frames: 10 }
}

/// Writes what the peer of `role` sends, and what must be heard.
fn encoded(script: &[Sent], role: Role, mut key: [u8; 4]) -> (Vec<u8>, Vec<Said>) {
    let (mut stream, mut heard) = (Vec::new(), Vec::new());
    let mut next_key = || {
        key = u32::from_le_bytes(key).wrapping_mul(0x9e37_79b1).wrapping_add(1).to_le_bytes();
        (role == Role::Server).then_some(key)
    };
    for Sent { message, cuts, between } in script {
        let (opcode, payload) = match message {
            Said::Text(text) => (Opcode::Text, text.as_bytes()),
            Said::Binary(bytes) => (Opcode::Binary, &bytes[..]),
            control => unreachable!("{control:?} is no message"),
        };
        let mut between = between.iter();
        let mut start = 0;
        let ends: Vec<usize> = places(cuts, payload.len()).into_iter().chain([payload.len()]).collect();
        for (i, &end) in ends.iter().enumerate() {
            let opcode = if i == 0 { opcode } else { Opcode::Continuation };
            let fin = i + 1 == ends.len();
            encode::frame(&mut stream, fin, opcode, &payload[start..end], next_key());
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
        Said::Ping(payload) => encode::frame(stream, true, Opcode::Ping, payload, key),
        Said::Pong(payload) => encode::frame(stream, true, Opcode::Pong, payload, key),
        Said::Close(code, reason) => {
            encode::close(stream, code.and_then(throng::ws::CloseCode::new), reason, key);
        }
        message => unreachable!("{message:?} is no control frame"),
    }
}

/// Bytes that go wrong somewhere: a good stream with a few bytes changed, or no stream at all.
fn damaged(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let changed = (vec(sent(), 1..4), any::<[u8; 4]>(), vec((any::<Index>(), any::<u8>()), 0..4));
    prop_oneof![
        vec(any::<u8>(), 0..100),
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

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        script in vec(sent(), 0..6), role in role(), key: [u8; 4], cuts in pieces(),
    ) {
        let (stream, heard) = encoded(&script, role, key);
        let outcome = replay(&stream, places(&cuts, stream.len()), &rules(role));
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!(outcome.said, heard);
        prop_assert!(outcome.idle, "nothing is kept between messages");
    }

    #[test]
    fn pieces_do_not_matter_to_what_is_wrong(
        (role, stream) in role().prop_flat_map(|role| (Just(role), damaged(role))), cuts in pieces(),
    ) {
        let whole = replay(&stream, [], &rules(role));
        let pieces = replay(&stream, places(&cuts, stream.len()), &rules(role));
        prop_assert_eq!((&pieces.said, pieces.error), (&whole.said, whole.error));
        prop_assert!(pieces.error.is_some() || pieces.idle == whole.idle);
        prop_assert!(pieces.fed <= whole.fed);
    }

    #[test]
    fn a_cleared_decoder_starts_anew(
        script in vec(sent(), 1..4), role in role(), key: [u8; 4], cuts in pieces(), end: Index,
    ) {
        let (stream, heard) = encoded(&script, role, key);
        let (mut decoder, mut buffers, mut said) = (Decoder::default(), Counting::new(), Vec::new());
        let mut start = 0;
        for end in places(&cuts, end.index(stream.len() + 1)) {
            let mut piece = stream[start..end].to_vec();
            feed(&mut decoder, &mut piece, &rules(role), &mut buffers, &mut said).unwrap();
            start = end;
        }
        decoder.clear(&mut buffers);
        buffers.assert_all_returned();
        prop_assert!(decoder.is_idle() && decoder.buffered() == 0);
        said.clear();
        feed(&mut decoder, &mut stream.clone(), &rules(role), &mut buffers, &mut said).unwrap();
        prop_assert_eq!(said, heard);
        buffers.assert_all_returned();
    }

    #[test]
    fn a_decoder_dropped_while_idle_loses_nothing(
        script in vec(sent(), 0..6), role in role(), key: [u8; 4], cuts in pieces(),
    ) {
        let (stream, heard) = encoded(&script, role, key);
        let (mut decoder, mut buffers, mut said) = (Decoder::default(), Counting::new(), Vec::new());
        let mut start = 0;
        for end in places(&cuts, stream.len()).into_iter().chain([stream.len()]) {
            let mut piece = stream[start..end].to_vec();
            feed(&mut decoder, &mut piece, &rules(role), &mut buffers, &mut said).unwrap();
            if decoder.is_idle() {
                decoder = Decoder::default();
            }
            start = end;
        }
        prop_assert_eq!(said, heard);
        buffers.assert_all_returned();
    }

    #[test]
    fn where_memory_ends_is_the_only_other_error(
        script in vec(sent(), 1..6), role in role(), key: [u8; 4], cuts in pieces(), limit in 0..200_usize,
    ) {
        let (stream, heard) = encoded(&script, role, key);
        let (mut decoder, mut said) = (Decoder::default(), Vec::new());
        let mut buffers = Counting { limit, ..Counting::new() };
        let mut start = 0;
        for end in places(&cuts, stream.len()).into_iter().chain([stream.len()]) {
            let mut piece = stream[start..end].to_vec();
            if let Err(error) = feed(&mut decoder, &mut piece, &rules(role), &mut buffers, &mut said) {
                prop_assert_eq!(error, DecodeError::OutOfBuffers);
                break;
            }
            start = end;
        }
        prop_assert!(heard.starts_with(&said), "what was heard before the end is right");
        decoder.clear(&mut buffers);
        buffers.assert_all_returned();
    }
}
