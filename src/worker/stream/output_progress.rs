//! How much of a connection's output its peer takes, for deadlines that are extended while it takes enough.

use std::time::Duration;

use super::streams::Streams;
use crate::base::ticks::TICK;
use crate::worker::os::{Os, OutputStatus};
use crate::worker::table::{ConnIndex, Flags, OutputProgress};

impl<O: Os, D> Streams<O, D> {
    /// Returns the progress at a check, `check_interval` ticks after the check whose result was `progress`, of a
    /// peer that must take `slowest_reader` bytes a second. The Ping or Close whose answer
    /// is late was sent `since` ago. Returns `None` when no output precedes that frame, when the peer has taken too little, or when it
    /// acknowledged the frame before the last check.
    pub(in crate::worker) fn check_progress(
        &mut self,
        index: ConnIndex,
        progress: OutputProgress,
        (check_interval, slowest_reader): (u32, u64),
        since: Duration,
    ) -> Option<OutputProgress> {
        let Some(output) = self.output(index) else {
            return self.has_outbox_shrunk(index, check_interval).then_some(OutputProgress::Unmeasured);
        };
        let least = u128::from(slowest_reader) * (TICK * check_interval).as_millis() / 1000;
        let least = u64::try_from(least).unwrap_or(u64::MAX).max(1);
        // If the kernel has taken the frame and still has room, queued output follows the frame and does not delay it.
        let is_behind = progress == OutputProgress::Unmeasured
            && self.table.get(index).is_some_and(|record| !record.flags.has(Flags::BLOCKED));
        let queued = if is_behind { 0 } else { self.outbox_len(index) };
        progress.after_check(output, queued, least, since)
    }

    /// Returns whether the outbox has become shorter since the last check, where the system does not report what was acknowledged.
    fn has_outbox_shrunk(&mut self, index: ConnIndex, check_interval: u32) -> bool {
        let tick = self.tick;
        let is_paused = self.table.record_mut(index).flags.has(Flags::PAUSED);
        is_paused
            && self
                .table
                .side_mut(index)
                .is_some_and(|side| side.outbox_written_at.saturating_add(check_interval) > tick)
    }

    /// Returns the progress of a peer that must acknowledge all output that is in the kernel or queued now, and `more` bytes.
    pub(in crate::worker) fn measure_output(&self, index: ConnIndex, more: usize) -> OutputProgress {
        self.output(index).map_or(OutputProgress::Unmeasured, |output| OutputProgress::Taking {
            before: output.acknowledged,
            goal: output.acknowledged + output.unacknowledged + (self.outbox_len(index) + more) as u64,
        })
    }

    fn output(&self, index: ConnIndex) -> Option<OutputStatus> {
        self.table.get(index).and_then(|record| self.os.output_status(&record.socket))
    }
}
