//! What holds of every stream, however it was written and however it arrives.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use throng::ws::deflate::{Deflater, Inflater, Windows};
use throng::ws::{DecodeError, Decoder, DecoderConfig, Opcode, Role, encode};

use super::replay::Said;
use super::replay::{Counting, feed, replay};
use super::streams::{
    Sent, agreed, damaged, either_rules, encoded, in_fragments, pieces, places, role, with_deflate,
};

/// A message as it is before it is compressed.
fn plain() -> impl Strategy<Value = Said> {
    prop_oneof![".{0,50}".prop_map(Said::Text), vec(0..4_u8, 0..2_000).prop_map(Said::Binary)]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        (config, script) in agreed(0..6), key: [u8; 4], cuts in pieces(),
    ) {
        let (stream, heard) = encoded(&script, config.role, key);
        let outcome = replay(&stream, places(&cuts, stream.len()), &config);
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!(outcome.said, heard);
        prop_assert!(outcome.idle, "nothing is kept between messages");
    }

    #[test]
    fn the_rest_of_a_large_message_may_arrive_where_it_belongs(
        len in 20_000..1_000_000_usize, text: bool, key: [u8; 4], first in 1..400_000_usize, reads in vec(1..200_000_usize, 1..40),
        fragment in 0..3_000_usize, spoilt in proptest::option::of(any::<Index>()),
    ) {
        let config = DecoderConfig { role: Role::Server, max_message: 1 << 20, max_frames: 8, deflate: false };
        let mut payload = "h\u{e9}llo ".repeat(len / 7).into_bytes();
        let opcode = if text { Opcode::Text } else { Opcode::Binary };
        if let Some(at) = &spoilt {
            let at = at.index(payload.len());
            payload[at] = 0xff;
        }
        let mut stream = Vec::new();
        let (last, rest) = payload.split_at(fragment);
        encode::fragment(&mut stream, encode::Fin::Clear, opcode, rest, Some(key));
        encode::frame(&mut stream, Opcode::Continuation, last, Some(key));
        encode::frame(&mut stream, Opcode::Ping, b"next", Some(key));
        let expected = replay(&stream, [], &config);

        let (mut decoder, mut buffers) = (Decoder::default(), Counting::new());
        let (mut said, mut error, mut at) = (Vec::new(), None, 0);
        let mut reads = std::iter::once(first).chain(reads.into_iter().cycle());
        while at < stream.len() && error.is_none() {
            let mut left = reads.next().unwrap_or(1).min(stream.len() - at);
            if let Some((buffer, room)) = decoder.spare_capacity(&mut buffers) {
                let direct = left.min(room);
                buffer.extend_from_slice(&stream[at..at + direct]);
                decoder.appended(direct, &mut buffers);
                at += direct;
                left -= direct;
            }
            // 64 KiB are worth 1 MiB.
            let most = if at < 64 << 10 { 4 * at } else { (4 * at).max(1 << 20) };
            prop_assert!(buffers.bytes <= most, "in proportion to what has arrived");
            let mut input = stream[at..at + left].to_vec();
            at += left;
            error = feed(&mut decoder, &mut input, &config, &mut buffers, &mut said).err();
        }
        decoder.clear(&mut buffers);
        buffers.assert_all_returned();
        prop_assert_eq!((&said, error), (&expected.said, expected.error));
    }

    #[test]
    fn pieces_do_not_matter_to_what_is_wrong(
        (config, stream) in either_rules().prop_flat_map(|config| (Just(config), damaged(&config))), cuts in pieces(),
    ) {
        let whole = replay(&stream, [], &config);
        let pieces = replay(&stream, places(&cuts, stream.len()), &config);
        prop_assert_eq!((&pieces.said, pieces.error), (&whole.said, whole.error));
        prop_assert!(pieces.error.is_some() || pieces.idle == whole.idle);
        prop_assert!(pieces.fed <= whole.fed);
    }

    #[test]
    fn what_is_compressed_comes_back(
        messages in vec(in_fragments(plain()), 1..5), role in role(), key: [u8; 4], cuts in pieces(),
        level in 1..=9_i32, bits in 8..=15_u8, takeover: bool,
    ) {
        let (mut deflater, mut windows) = (Deflater::new(level), Windows::default());
        let mut plain = Vec::new();
        let script: Vec<Sent> = messages
            .into_iter()
            .map(|sent| {
                let (is_text, payload) = match &sent.message {
                    Said::Text(text) => (true, text.as_bytes().to_vec()),
                    Said::Binary(bytes) => (false, bytes.clone()),
                    other => unreachable!("{other:?} is not plain"),
                };
                let compressed = deflater.compress(&payload, bits, windows.sent.bytes()).to_vec();
                if takeover {
                    windows.sent.push(&payload, bits);
                }
                plain.push(sent.message);
                Sent { message: Said::Compressed(is_text, compressed), ..sent }
            })
            .collect();
        let (stream, heard) = encoded(&script, role, key);
        let outcome = replay(&stream, places(&cuts, stream.len()), &with_deflate(role));
        prop_assert_eq!((&outcome.said, outcome.error), (&heard, None));
        let mut inflater = Inflater::new();
        let mut received = Vec::new();
        for said in outcome.said {
            let Said::Compressed(is_text, payload) = said else { continue };
            let message = inflater.decompress(&payload, 70_000, windows.received.bytes());
            let message = message.map(<[u8]>::to_vec);
            prop_assert!(message.is_ok(), "{message:?}");
            let message = message.unwrap_or_default();
            if takeover {
                windows.received.push(&message, bits);
            }
            received.push(match is_text {
                true => Said::Text(String::from_utf8(message).unwrap()),
                false => Said::Binary(message),
            });
        }
        prop_assert_eq!(received, plain);
    }

    #[test]
    fn a_cleared_decoder_starts_anew(
        (config, script) in agreed(1..4), key: [u8; 4], cuts in pieces(), end: Index,
    ) {
        let (stream, heard) = encoded(&script, config.role, key);
        let (mut decoder, mut buffers, mut said) = (Decoder::default(), Counting::new(), Vec::new());
        let mut start = 0;
        for end in places(&cuts, end.index(stream.len() + 1)) {
            let mut piece = stream[start..end].to_vec();
            feed(&mut decoder, &mut piece, &config, &mut buffers, &mut said).unwrap();
            start = end;
        }
        decoder.clear(&mut buffers);
        buffers.assert_all_returned();
        prop_assert!(decoder.is_idle() && decoder.buffered() == 0);
        said.clear();
        feed(&mut decoder, &mut stream.clone(), &config, &mut buffers, &mut said).unwrap();
        prop_assert_eq!(said, heard);
        buffers.assert_all_returned();
    }

    #[test]
    fn a_decoder_dropped_while_idle_loses_nothing(
        (config, script) in agreed(0..6), key: [u8; 4], cuts in pieces(),
    ) {
        let (stream, heard) = encoded(&script, config.role, key);
        let (mut decoder, mut buffers, mut said) = (Decoder::default(), Counting::new(), Vec::new());
        let mut start = 0;
        for end in places(&cuts, stream.len()).into_iter().chain([stream.len()]) {
            let mut piece = stream[start..end].to_vec();
            feed(&mut decoder, &mut piece, &config, &mut buffers, &mut said).unwrap();
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
        (config, script) in agreed(1..6), key: [u8; 4], cuts in pieces(), limit in 0..200_usize,
    ) {
        let (stream, heard) = encoded(&script, config.role, key);
        let (mut decoder, mut said) = (Decoder::default(), Vec::new());
        let mut buffers = Counting { limit, ..Counting::new() };
        let mut start = 0;
        for end in places(&cuts, stream.len()).into_iter().chain([stream.len()]) {
            let mut piece = stream[start..end].to_vec();
            if let Err(error) = feed(&mut decoder, &mut piece, &config, &mut buffers, &mut said) {
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
