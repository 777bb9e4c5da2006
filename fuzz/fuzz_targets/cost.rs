//! What input costs: `tests/corpora/cost.rs` says what must hold, and here the time is looked at, too.
#![no_main]

use std::time::Instant;

#[path = "../../tests/corpora/cost.rs"]
mod cost;
#[path = "../../tests/corpora/input.rs"]
mod input;

/// Time for each of what is charged as a nanosecond, in nanoseconds: this build counts edges, and other things run beside it.
const PER_CHARGED: usize = 40;
/// Time beside that.
const LEAST: usize = 300_000;
/// The best of so many counts.
const TRIES: usize = 5;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cost::check(input);
    let mut taken = usize::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        let charged = cost::read(input).charged;
        taken = taken.min(usize::try_from(start.elapsed().as_nanos()).unwrap_or(usize::MAX));
        if taken <= PER_CHARGED * charged + LEAST {
            return;
        }
    }
    panic!("{taken} ns for what {:?} is charged for", cost::read(input));
});
