//! Streams of frames: `tests/corpora/decoder.rs` says what must hold.
#![no_main]

#[path = "../../tests/corpora/decoder.rs"]
mod decoder;
#[expect(dead_code, reason = "what other targets take from it")]
#[path = "../../tests/corpora/input.rs"]
mod input;
#[expect(dead_code, reason = "the rules of other tests are in it")]
#[path = "../../tests/ws/replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    decoder::check(input);
});
