//! The deadline of a Pong is extended while output precedes its Ping.
//!
//! Acknowledgements of the peer's kernel are a sign of life: a peer that reads slowly and steadily answers each Ping when it gets to it. A
//! peer that takes a byte now and then must not stay connected for ever. So there is a least rate, and once the Ping itself is
//! acknowledged, the Pong has `pong-timeout` and no more.

use super::ping::PING_PAYLOAD;
use super::sessions::{Flow, Sessions};
use crate::base::ticks::{tick_at, time_of};
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::limits::PingPolicy;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, LatePong, OutputProgress};
use crate::ws::encode;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Notes that a Ping of this tick joins output that is blocked.
    pub(in crate::worker) fn track_late_pong(&mut self, index: ConnIndex) {
        let progress = self.streams.measure_output(index, encode::frame_len(PING_PAYLOAD));
        let pinged = self.streams.tick;
        self.streams.table.side_or_new(index).late_pong =
            Some(Box::new(LatePong { pinged, progress, written_at: None }));
    }

    /// Notes that all output is written, the Ping of the tick `pinged` included. Returns whether the Pong's deadline counts from now on:
    /// once for each Ping.
    pub(in crate::worker) fn note_ping_written(&mut self, index: ConnIndex, pinged: u32) -> bool {
        let measured = self.streams.measure_output(index, 0);
        let tick = self.streams.tick;
        let new = || Box::new(LatePong { pinged, progress: measured, written_at: None });
        let late = self.streams.table.side_or_new(index).late_pong.get_or_insert_with(new);
        if late.written_at.is_some() {
            return false;
        }
        late.written_at = Some(tick);
        if let (OutputProgress::Taking { goal, .. }, OutputProgress::Taking { before, .. }) =
            (late.progress, measured)
        {
            late.progress =
                if before < goal { OutputProgress::Taking { before, goal } } else { OutputProgress::Reached };
        }
        true
    }

    /// Forgets the state of a late Pong, because its Ping is answered.
    pub(in crate::worker) fn forget_late_pong(&mut self, index: ConnIndex) {
        if self.streams.table.side_mut(index).is_some_and(|side| side.late_pong.take().is_some()) {
            self.streams.free_side(index);
        }
    }

    /// Notes that the late Pong has arrived: the next Ping is due as if it had arrived in time.
    #[cold]
    pub(in crate::worker) fn end_late_pong(&mut self, index: ConnIndex) {
        let record = self.streams.table.record_mut(index);
        record.flags.clear(Flags::PONG_TIMER);
        let last_seen = record.last_seen;
        let Some(late) = self.streams.table.side_mut(index).and_then(|side| side.late_pong.take()) else {
            return;
        };
        let since = match self.limits.ping_policy {
            PingPolicy::Always => late.written_at.unwrap_or(late.pinged),
            PingPolicy::WhenIdle => last_seen,
        };
        self.schedule_ping(index, since);
    }

    /// Notes a sign of life from a peer with a late Pong. Its previous sign of life was at the tick `before`. Under the policy for idle
    /// peers it answers the Ping; the first such sign determines when the next Ping is due.
    #[cold]
    pub(in crate::worker) fn note_activity_of_late_peer(&mut self, index: ConnIndex, before: u32) {
        let late = self.streams.table.side_mut(index).and_then(|side| side.late_pong.as_deref());
        if late.is_some_and(|late| before < late.pinged)
            && self.limits.ping_policy == PingPolicy::WhenIdle
            && self.streams.table.is_open(index)
        {
            self.schedule_ping(index, self.streams.tick);
        }
    }

    /// Handles a Pong that is late: extends its deadline to the next check if the peer takes the output that precedes its Ping, or drops the
    /// connection.
    pub(in crate::worker) fn extend_pong_deadline_or_drop(&mut self, index: ConnIndex, pinged: u32) -> Flow {
        let Some(progress) = self.check_pong_progress(index, pinged) else {
            return self.drop_connection(index, Closed::PongTimeout);
        };
        let written_at = (self.streams.outbox_len(index) == 0).then_some(pinged);
        let new = || Box::new(LatePong { pinged, progress, written_at });
        self.streams.table.side_or_new(index).late_pong.get_or_insert_with(new).progress = progress;
        self.streams.table.arm(index, tick_at(self.streams.os.now()) + self.keepalive.pong_times.deadline);
        Flow::Alive
    }

    fn check_pong_progress(&mut self, index: ConnIndex, pinged: u32) -> Option<OutputProgress> {
        let since = self.streams.now.saturating_sub(time_of(pinged));
        let late = self.streams.table.side_mut(index).and_then(|side| side.late_pong.as_deref());
        let progress = late.map_or(OutputProgress::Unmeasured, |late| late.progress);
        let pace = (self.keepalive.pong_times.deadline, self.limits.slowest_reader);
        self.streams.check_progress(index, progress, pace, since)
    }
}
