//! What holds of every stream, however it was written and however it arrives.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use throng::ws::{DecodeError, Decoder};

use super::replay::{Counting, feed, replay};
use super::streams::{damaged, encoded, pieces, places, role, rules, sent};

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
