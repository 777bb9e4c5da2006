//! Messages compressed and decompressed: `tests/corpora/deflate.rs` says what must hold.
#![no_main]

#[path = "../../tests/corpora/deflate.rs"]
mod deflate;
#[expect(dead_code, reason = "what other targets take from it")]
#[path = "../../tests/corpora/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    deflate::check(input);
});
