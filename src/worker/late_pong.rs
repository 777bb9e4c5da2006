//! A Pong that is late because its Ping has output in front of it.
//!
//! What a peer's kernel has acknowledged is a sign of life: a peer that reads slowly and steadily answers each Ping when it gets to
//! it. One that takes a byte now and then must not live for ever, so there is a least rate, and once the Ping itself has been
//! acknowledged its Pong has its time and no more.

use std::time::Duration;

use super::core::{Flow, Worker};
use super::handler::{Closed, Handler};
use super::limits::PingPolicy;
use super::os::{Os, Output};
use super::ping::PING_PAYLOAD;
use super::record::Flags;
use super::ticks::{TICK, tick_at, time_of};
use crate::ws::encode;

/// What is kept of a Ping whose Pong has more time than usual.
#[derive(Debug)]
pub(super) struct LatePong {
    /// The tick of the Ping: a Pong to an earlier one does not count.
    pinged: u32,
    stage: Stage,
    /// The tick at which it was in the kernel, since which its Pong has its time.
    left: Option<u32>,
}

/// How far the peer is with what is in front of the Ping, or of our Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not known what the peer has taken.
    Unmeasured,
    /// It must take enough from one look to the next.
    Taking {
        /// Bytes that it had acknowledged at the last look.
        before: u64,
        /// Bytes that it will have acknowledged when it has the Ping.
        goal: u64,
    },
    /// It has the Ping.
    Reached,
}

impl LatePong {
    pub(super) const fn pinged(&self) -> u32 {
        self.pinged
    }
}

impl Stage {
    /// What comes behind this stage at a look, which finds `output` in the kernel and `queued` bytes behind it; `None`: the Pong is
    /// missing. `least` bytes must have been taken since the last look, and the Ping was sent `since` then.
    fn next(self, output: Output, queued: usize, least: u64, since: Duration) -> Option<Self> {
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

impl<O: Os, H: Handler> Worker<O, H> {
    /// A Ping of this tick joins output that is stuck.
    pub(super) fn expect_late_pong(&mut self, index: u32) {
        let stage = self.measured(index, encode::frame_len(PING_PAYLOAD, false));
        let pinged = self.tick;
        self.side_or_new(index).late_pong = Some(Box::new(LatePong { pinged, stage, left: None }));
    }

    /// All output has left, the Ping of the tick `pinged` with it, if it had not before. Whether its Pong has all its time from now on:
    /// once for each Ping.
    pub(super) fn release_late_pong(&mut self, index: u32, pinged: u32) -> bool {
        let measured = self.measured(index, 0);
        let tick = self.tick;
        let new = || Box::new(LatePong { pinged, stage: measured, left: None });
        let late = self.side_or_new(index).late_pong.get_or_insert_with(new);
        if late.left.is_some() {
            return false;
        }
        late.left = Some(tick);
        if let (Stage::Taking { goal, .. }, Stage::Taking { before, .. }) = (late.stage, measured) {
            late.stage = if before < goal { Stage::Taking { before, goal } } else { Stage::Reached };
        }
        true
    }

    /// The Ping has been answered.
    pub(super) fn forget_late_pong(&mut self, index: u32) {
        if self.side_mut(index).is_some_and(|side| side.late_pong.take().is_some()) {
            self.free_side(index);
        }
    }

    /// The late Pong has come: the next Ping is due as if it had been in time.
    #[cold]
    pub(super) fn end_late_pong(&mut self, index: u32) {
        let record = self.record_mut(index);
        record.flags.clear(Flags::PONG_TIMER);
        let last_seen = record.last_seen;
        let Some(late) = self.side_mut(index).and_then(|side| side.late_pong.take()) else { return };
        let since = match self.limits.ping_policy {
            PingPolicy::Always => late.left.unwrap_or(late.pinged),
            PingPolicy::WhenIdle => last_seen,
        };
        self.schedule_ping(index, since);
    }

    /// Something has come of a peer whose Pong is late, and that had been heard of at the tick `before`. Under the policy for idle peers it
    /// answers the Ping; the first such sign decides on the next one.
    #[cold]
    pub(super) fn hear_late_peer(&mut self, index: u32, before: u32) {
        let late = self.side_mut(index).and_then(|side| side.late_pong.as_deref());
        if late.is_some_and(|late| before < late.pinged)
            && self.limits.ping_policy == PingPolicy::WhenIdle
            && self.is_open(index)
        {
            self.schedule_ping(index, self.tick);
        }
    }

    /// A Pong is over time: the connection is dropped, or goes on until the next look if the peer takes the output that is in front of
    /// its Ping.
    pub(super) fn await_longer(&mut self, index: u32, pinged: u32) -> Flow {
        let Some(stage) = self.next_stage(index, pinged) else {
            return self.drop_connection(index, Closed::PongTimeout);
        };
        let left = (self.queued(index) == 0).then_some(pinged);
        let new = || Box::new(LatePong { pinged, stage, left });
        self.side_or_new(index).late_pong.get_or_insert_with(new).stage = stage;
        self.arm(index, tick_at(self.os.now()) + self.pong_times.deadline);
        Flow::Alive
    }

    fn next_stage(&mut self, index: u32, pinged: u32) -> Option<Stage> {
        let since = self.now.saturating_sub(time_of(pinged));
        let late = self.side_mut(index).and_then(|side| side.late_pong.as_deref());
        let stage = late.map_or(Stage::Unmeasured, |late| late.stage);
        self.progress(index, stage, self.pong_times.deadline, since)
    }

    /// What comes behind a stage at a look that is so many ticks behind the last, of what was sent `since` then; `None`: the peer is not
    /// waited for any longer.
    pub(super) fn progress(
        &mut self,
        index: u32,
        stage: Stage,
        patience: u32,
        since: Duration,
    ) -> Option<Stage> {
        let Some(output) = self.output(index) else {
            return self.has_taken(index, patience).then_some(Stage::Unmeasured);
        };
        let least = u128::from(self.limits.slowest_reader) * (TICK * patience).as_millis() / 1000;
        let least = u64::try_from(least).unwrap_or(u64::MAX).max(1);
        stage.next(output, self.queued(index), least, since)
    }

    /// Where the system does not say what was acknowledged: whether the outbox has become shorter since the last look.
    fn has_taken(&mut self, index: u32, patience: u32) -> bool {
        let tick = self.tick;
        let is_stuck = self.record_mut(index).flags.has(Flags::PAUSED);
        is_stuck && self.side_mut(index).is_some_and(|side| side.taken_at.saturating_add(patience) > tick)
    }

    /// What there is to be taken now, and `more` bytes.
    pub(super) fn measured(&self, index: u32, more: usize) -> Stage {
        self.output(index).map_or(Stage::Unmeasured, |output| Stage::Taking {
            before: output.acknowledged,
            goal: output.acknowledged + output.unacknowledged + (self.queued(index) + more) as u64,
        })
    }

    fn output(&self, index: u32) -> Option<Output> {
        self.table.get(index as usize).and_then(|record| self.os.output(&record.socket))
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

    fn next(stage: Stage, output: Output, queued: usize) -> Option<Stage> {
        stage.next(output, queued, LEAST, SINCE)
    }

    #[test]
    fn only_a_peer_that_was_heard_of_and_has_output_in_front_is_given_time_to_be_measured() {
        let measured = Stage::Taking { before: 7, goal: 7 + 30 + 20 };
        assert_eq!(next(Stage::Unmeasured, output(7, 30), 20), Some(measured));
        assert_eq!(next(Stage::Unmeasured, output(7, 0), 0), None);
        let silent = Output { silent_for: SINCE, ..output(7, 30) };
        assert_eq!(next(Stage::Unmeasured, silent, 20), None);
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough() {
        let stage = Stage::Taking { before: 1_000, goal: 5_000 };
        let gone_on = Stage::Taking { before: 1_100, goal: 5_000 };
        assert_eq!(next(stage, output(1_100, 50), 1_000), Some(gone_on));
        assert_eq!(next(stage, output(1_099, 50), 1_000), None);
    }

    #[test]
    fn with_the_ping_acknowledged_there_is_one_look_more_whatever_else_is_taken() {
        let stage = Stage::Taking { before: 1_000, goal: 1_050 };
        assert_eq!(next(stage, output(1_050, 500), 1_000), Some(Stage::Reached));
        assert_eq!(next(stage, output(1_001, 0), 0), Some(Stage::Reached));
        assert_eq!(next(Stage::Reached, output(9_000, 500), 1_000), None);
    }
}
