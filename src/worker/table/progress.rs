//! How far a peer has taken the output that precedes a frame which it has to answer.

use std::time::Duration;

use crate::worker::os::OutputStatus;

/// State of a Ping whose Pong has more time than usual.
#[derive(Debug)]
pub(crate) struct LatePong {
    /// The tick of the Ping. A Pong to an earlier Ping does not count.
    pub(crate) pinged: u32,
    pub(crate) progress: OutputProgress,
    /// The tick at which the kernel took the Ping; the Pong's deadline counts from there. `None` while the Ping is queued.
    pub(crate) written_at: Option<u32>,
}

/// How far the peer has taken the output up to the server's Ping or Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputProgress {
    /// It is unknown what the peer has taken.
    Unmeasured,
    /// The peer must take enough bytes from one check to the next.
    Taking {
        /// Bytes that the peer had acknowledged at the last check.
        before: u64,
        /// Bytes that the peer will have acknowledged when it has the Ping.
        goal: u64,
    },
    /// The peer has acknowledged the Ping.
    Reached,
}

impl LatePong {
    pub(crate) const fn pinged(&self) -> u32 {
        self.pinged
    }
}

impl OutputProgress {
    /// Returns the progress after a check, which finds `output` in the kernel and `queued` bytes behind it; `None` when the Pong is
    /// missing. The peer must have taken `least` bytes since the last check. The Ping was sent the time `since` ago.
    pub(crate) fn after_check(
        self,
        output: OutputStatus,
        queued: usize,
        least: u64,
        since: Duration,
    ) -> Option<Self> {
        let OutputStatus { acknowledged, unacknowledged, silent_for } = output;
        let ahead = unacknowledged + queued as u64;
        match self {
            // No output precedes the Ping, or the peer's system has acknowledged nothing since the Ping.
            Self::Unmeasured if ahead == 0 || silent_for >= since => None,
            Self::Unmeasured => Some(Self::Taking { before: acknowledged, goal: acknowledged + ahead }),
            // Output that was dropped from the queue is never acknowledged.
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

    fn output(acknowledged: u64, unacknowledged: u64) -> OutputStatus {
        OutputStatus { acknowledged, unacknowledged, silent_for: Duration::from_secs(1) }
    }

    fn after_check(progress: OutputProgress, output: OutputStatus, queued: usize) -> Option<OutputProgress> {
        progress.after_check(output, queued, LEAST, SINCE)
    }

    #[test]
    fn only_a_peer_that_has_acknowledged_anything_and_has_output_in_front_is_given_time() {
        let measured = OutputProgress::Taking { before: 7, goal: 7 + 30 + 20 };
        assert_eq!(after_check(OutputProgress::Unmeasured, output(7, 30), 20), Some(measured));
        assert_eq!(after_check(OutputProgress::Unmeasured, output(7, 0), 0), None);
        let silent = OutputStatus { silent_for: SINCE, ..output(7, 30) };
        assert_eq!(after_check(OutputProgress::Unmeasured, silent, 20), None);
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough() {
        let progress = OutputProgress::Taking { before: 1_000, goal: 5_000 };
        let gone_on = OutputProgress::Taking { before: 1_100, goal: 5_000 };
        assert_eq!(after_check(progress, output(1_100, 50), 1_000), Some(gone_on));
        assert_eq!(after_check(progress, output(1_099, 50), 1_000), None);
    }

    #[test]
    fn with_the_ping_acknowledged_there_is_one_more_check_whatever_else_is_taken() {
        let progress = OutputProgress::Taking { before: 1_000, goal: 1_050 };
        assert_eq!(after_check(progress, output(1_050, 500), 1_000), Some(OutputProgress::Reached));
        assert_eq!(after_check(progress, output(1_001, 0), 0), Some(OutputProgress::Reached));
        assert_eq!(after_check(OutputProgress::Reached, output(9_000, 500), 1_000), None);
    }
}
