//! How far a peer is with output that is in front of something it has to answer.

use std::time::Duration;

use crate::worker::os::Output;

/// What is kept of a Ping whose Pong has more time than usual.
#[derive(Debug)]
pub(crate) struct LatePong {
    /// The tick of the Ping: a Pong to an earlier one does not count.
    pub(crate) pinged: u32,
    pub(crate) stage: OutputProgress,
    /// The tick at which it was in the kernel, since which its Pong has its time.
    pub(crate) left: Option<u32>,
}

/// How far the peer is with what is in front of the Ping, or of our Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputProgress {
    /// It is not known what the peer has taken.
    Unmeasured,
    /// It must take enough from one check to the next.
    Taking {
        /// Bytes that it had acknowledged at the last check.
        before: u64,
        /// Bytes that it will have acknowledged when it has the Ping.
        goal: u64,
    },
    /// It has the Ping.
    Reached,
}

impl LatePong {
    pub(crate) const fn pinged(&self) -> u32 {
        self.pinged
    }
}

impl OutputProgress {
    /// What comes behind this stage at a check, which finds `output` in the kernel and `queued` bytes behind it; `None`: the Pong is
    /// missing. `least` bytes must have been taken since the last check, and the Ping was sent `since` then.
    pub(crate) fn next(self, output: Output, queued: usize, least: u64, since: Duration) -> Option<Self> {
        let Output { acknowledged, unacknowledged, silent_for } = output;
        let ahead = unacknowledged + queued as u64;
        match self {
            // Nothing is in front of the Ping, or the peer's machine has not been heard of since.
            Self::Unmeasured if ahead == 0 || silent_for >= since => None,
            Self::Unmeasured => Some(Self::Taking { before: acknowledged, goal: acknowledged + ahead }),
            // What was dropped from the queue is never acknowledged.
            Self::Taking { goal, .. } if acknowledged >= goal || ahead == 0 => Some(Self::Reached),
            Self::Taking { before, goal } => {
                let taken = acknowledged.saturating_sub(before);
                (taken >= least).then_some(Self::Taking { before: acknowledged, goal })
            }
            Self::Reached => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u64 = 100;
    const SINCE: Duration = Duration::from_secs(10);

    fn output(acknowledged: u64, unacknowledged: u64) -> Output {
        Output { acknowledged, unacknowledged, silent_for: Duration::from_secs(1) }
    }

    fn next(stage: OutputProgress, output: Output, queued: usize) -> Option<OutputProgress> {
        stage.next(output, queued, LEAST, SINCE)
    }

    #[test]
    fn only_a_peer_that_was_heard_of_and_has_output_in_front_is_given_time_to_be_measured() {
        let measured = OutputProgress::Taking { before: 7, goal: 7 + 30 + 20 };
        assert_eq!(next(OutputProgress::Unmeasured, output(7, 30), 20), Some(measured));
        assert_eq!(next(OutputProgress::Unmeasured, output(7, 0), 0), None);
        let silent = Output { silent_for: SINCE, ..output(7, 30) };
        assert_eq!(next(OutputProgress::Unmeasured, silent, 20), None);
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough() {
        let stage = OutputProgress::Taking { before: 1_000, goal: 5_000 };
        let gone_on = OutputProgress::Taking { before: 1_100, goal: 5_000 };
        assert_eq!(next(stage, output(1_100, 50), 1_000), Some(gone_on));
        assert_eq!(next(stage, output(1_099, 50), 1_000), None);
    }

    #[test]
    fn with_the_ping_acknowledged_there_is_one_look_more_whatever_else_is_taken() {
        let stage = OutputProgress::Taking { before: 1_000, goal: 1_050 };
        assert_eq!(next(stage, output(1_050, 500), 1_000), Some(OutputProgress::Reached));
        assert_eq!(next(stage, output(1_001, 0), 0), Some(OutputProgress::Reached));
        assert_eq!(next(OutputProgress::Reached, output(9_000, 500), 1_000), None);
    }
}
