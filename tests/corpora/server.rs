//! The whole worker over a simulated system: whatever bytes decide, the model of `throng::simulation` holds.

use throng::simulation::{Report, run_bytes};

/// What an input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Nobody was served.
    Idle,
    /// WebSockets were opened.
    Opened,
    /// Messages were received.
    Messages,
}

/// An input is what `run_bytes` decides by.
pub(crate) fn check(input: &[u8]) -> Outcome {
    match run_bytes(input) {
        Err(failure) => panic!("{failure}"),
        Ok(Report { messages: 1.., .. }) => Outcome::Messages,
        Ok(Report { opened: 1.., .. }) => Outcome::Opened,
        Ok(_) => Outcome::Idle,
    }
}
