//! The corpora of the fuzz targets, replayed: what a campaign once found stays found. docs/FUZZING.md is about the campaigns.

#[cfg(feature = "simulation")]
mod cost;
mod decoder;
mod deflate;
mod handshake;
mod input;
mod offer;
#[expect(dead_code, reason = "the rules of other tests are in it")]
#[path = "../ws/replay.rs"]
mod replay;
#[cfg(feature = "simulation")]
mod server;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

/// The longest file of a corpus in bytes: what is longer is no example any more.
const LONGEST: usize = 4096;

/// Checks every file of a target's corpus, and returns what they came to.
fn outcomes<T: Ord + Debug>(target: &str, check: fn(&[u8]) -> T) -> BTreeSet<T> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let (mut outcomes, mut failed) = (BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(&corpus).expect("fuzz/seeds.py writes the seeds") {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        assert!(input.len() <= LONGEST, "{}: {} bytes, over {LONGEST}", path.display(), input.len());
        match std::panic::catch_unwind(|| check(&input)) {
            Ok(outcome) => _ = outcomes.insert(outcome),
            Err(_) => failed.push(path),
        }
    }
    assert!(failed.is_empty(), "these failed, with the panics above: {failed:#?}");
    outcomes
}

/// Fails for whatever a corpus should come to and does not: then it has lost its examples.
fn covers<T: Ord + Debug>(seen: &BTreeSet<T>, wanted: impl IntoIterator<Item = T>) {
    let missing: Vec<T> = wanted.into_iter().filter(|outcome| !seen.contains(outcome)).collect();
    assert!(missing.is_empty(), "no file of the corpus comes to {missing:?}, but {seen:?}");
}

#[test]
fn handshakes() {
    use handshake::Outcome::{Accepted, Incomplete, Refused, Response};
    let seen = outcomes("handshake", handshake::check);
    let errors =
        ["malformed", "status", "no upgrade", "wrong accept", "unoffered extension", "illegal extension"];
    covers(&seen, [Incomplete, Accepted { compressed: false }, Accepted { compressed: true }]);
    covers(&seen, [false, true].map(|compressed| Response(Ok(compressed))));
    covers(&seen, [400, 405, 413, 426, 431].map(Refused));
    covers(&seen, errors.map(|error| Response(Err(error))));
}

#[test]
fn streams_of_frames() {
    use throng::ws::ProtocolError::{self, *};
    /// What a file comes to: an error by its name, and else whether something was heard.
    fn check(input: &[u8]) -> String {
        let outcome = decoder::check(input);
        match outcome.error {
            Some(throng::ws::DecodeError::Protocol(error)) => name(error),
            Some(error) => panic!("{error:?} of buffers without a limit"),
            None if outcome.said.is_empty() => "nothing".into(),
            None => "events".into(),
        }
    }
    fn name(error: ProtocolError) -> String {
        format!("{error:?}").split('(').next().unwrap_or_default().into()
    }
    let seen = outcomes("decoder", check);
    covers(&seen, ["nothing", "events"].map(String::from));
    let errors = [
        ReservedBits,
        MisplacedCompression,
        ReservedOpcode(3),
        NotMasked,
        Masked,
        NonMinimalLength,
        LengthOverflow,
        ControlTooLong,
        ControlFragmented,
        UnexpectedContinuation,
        ExpectedContinuation,
        InvalidUtf8,
        CloseBodyTooShort,
        InvalidCloseCode(1005),
        MessageTooBig,
        TooManyFrames,
    ];
    covers(&seen, errors.map(name));
}

#[test]
fn compressed_messages() {
    use deflate::Outcome::{Corrupt, Inflated, RoundTrip, TooBig, TooCostly};
    covers(&outcomes("deflate", deflate::check), [Inflated, Corrupt, TooBig, TooCostly, RoundTrip]);
}

#[test]
#[cfg(feature = "simulation")]
fn costs() {
    use cost::Outcome::{BrokenFrames, Corrupt, Costly, Frames, Inflated, NoRequest, Request};
    covers(
        &outcomes("cost", cost::check),
        [Frames, BrokenFrames, Inflated, Corrupt, Costly, Request, NoRequest],
    );
}

#[test]
#[cfg(feature = "simulation")]
fn whole_servers() {
    use server::Outcome::{Idle, Messages, Opened};
    covers(&outcomes("server", server::check), [Idle, Opened, Messages]);
}
