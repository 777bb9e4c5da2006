//! Opening handshakes, both sides: `tests/corpora/handshake.rs` says what must hold.
#![no_main]

#[path = "../../tests/corpora/handshake.rs"]
mod handshake;
#[expect(dead_code, reason = "what other targets take from it")]
#[path = "../../tests/corpora/input.rs"]
mod input;
#[path = "../../tests/corpora/offer.rs"]
mod offer;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    handshake::check(input);
});
