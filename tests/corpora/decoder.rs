//! Streams of frames: whatever arrives, in whatever pieces, the decoder hears the same of it and keeps within its memory.

use throng::ws::{CloseCode, DecodeError, Decoder, DecoderConfig, Opcode, Role, encode};

use super::input::{Input, cuts};
use super::replay::{Counting, Outcome, Said, feed, replay};

/// An input is a byte that chooses role, compression and limits, one that chooses the pieces, one that is a limit of memory, and
/// the stream.
pub(crate) fn check(input: &[u8]) -> Outcome {
    let mut input = Input::new(input);
    let config = config(input.byte());
    let pieces = input.byte();
    let memory = usize::from(input.byte());
    let stream = input.rest();

    let whole = replay(stream, [], &config);
    same_in_pieces(stream, pieces, &config, &whole);
    within_memory(stream, pieces, memory, &config, &whole);
    assert!(whole.said.iter().all(|said| keeps_to(said, &config)), "{config:?} and {whole:?}");
    same_written_again(&whole.said, &config);
    whole
}

fn config(choice: u8) -> DecoderConfig {
    DecoderConfig {
        role: if choice & 1 == 0 { Role::Server } else { Role::Client },
        deflate: choice & 2 != 0,
        max_message: [70_000, 0, 10, usize::MAX][usize::from(choice >> 2 & 3)],
        max_frames: [1024, 1, 3, u32::MAX][usize::from(choice >> 4 & 3)],
    }
}

fn same_in_pieces(stream: &[u8], pieces: u8, config: &DecoderConfig, whole: &Outcome) {
    let outcome = replay(stream, cuts(pieces, stream.len()), config);
    assert_eq!((&outcome.said, outcome.error), (&whole.said, whole.error), "in pieces {pieces}, and whole");
    assert!(outcome.fed <= whole.fed);
    // What a decoder keeps after an error does not matter.
    assert!(whole.error.is_some() || outcome.idle == whole.idle);
}

/// Where memory ends, what was heard until then is right, and nothing else is wrong.
fn within_memory(stream: &[u8], pieces: u8, memory: usize, config: &DecoderConfig, whole: &Outcome) {
    let (mut decoder, mut said) = (Decoder::default(), Vec::new());
    let mut buffers = Counting { limit: memory, ..Counting::new() };
    let (mut start, mut error) = (0, None);
    for end in cuts(pieces, stream.len()).into_iter().chain([stream.len()]) {
        error = feed(&mut decoder, &mut stream[start..end].to_vec(), config, &mut buffers, &mut said).err();
        assert!(buffers.bytes <= memory);
        if error.is_some() {
            break;
        }
        start = end;
    }
    decoder.clear(&mut buffers);
    buffers.assert_all_returned();
    if error == Some(DecodeError::OutOfBuffers) {
        assert!(whole.said.starts_with(&said), "{said:?} of {:?}", whole.said);
    } else {
        assert_eq!((&said, error), (&whole.said, whole.error), "in {memory} bytes, and in any number");
    }
}

/// Whether an event is one that may be heard at all.
fn keeps_to(said: &Said, config: &DecoderConfig) -> bool {
    match said {
        Said::Text(text) => text.len() <= config.max_message,
        Said::Binary(bytes) => bytes.len() <= config.max_message,
        // What cannot be compressed becomes a little longer.
        Said::Compressed(_, bytes) => {
            config.deflate && bytes.len() <= config.max_message.saturating_add(config.max_message / 8 + 64)
        }
        Said::Ping(payload) | Said::Pong(payload) => payload.len() <= 125,
        Said::Close(None, reason) => reason.is_empty(),
        Said::Close(Some(code), reason) => CloseCode::new(*code).is_some() && reason.len() <= 123,
    }
}

/// What was heard, written as frames and decoded, is heard again.
fn same_written_again(said: &[Said], config: &DecoderConfig) {
    let mut stream = Vec::new();
    for (i, said) in said.iter().enumerate() {
        let key = (config.role == Role::Server)
            .then(|| (i * 0x9e37_79b1 + 1).to_le_bytes()[..4].try_into().unwrap());
        write(&mut stream, said, key);
    }
    let again = replay(&stream, [], config);
    assert_eq!((&again.said[..], again.error, again.idle), (said, None, true), "{config:?}");
}

fn write(stream: &mut Vec<u8>, said: &Said, key: Option<[u8; 4]>) {
    match said {
        Said::Text(text) => encode::frame(stream, Opcode::Text, text.as_bytes(), key),
        Said::Binary(bytes) => encode::frame(stream, Opcode::Binary, bytes, key),
        Said::Compressed(is_text, bytes) => {
            let opcode = if *is_text { Opcode::Text } else { Opcode::Binary };
            encode::compressed_frame(stream, opcode, bytes, key);
        }
        Said::Ping(payload) => encode::frame(stream, Opcode::Ping, payload, key),
        Said::Pong(payload) => encode::frame(stream, Opcode::Pong, payload, key),
        Said::Close(code, reason) => encode::close(stream, code.and_then(CloseCode::new), reason, key),
    }
}
