//! The whole server over a simulated system: `tests/corpora/server.rs` says what must hold.
#![no_main]

#[path = "../../tests/corpora/server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    server::check(input);
});
