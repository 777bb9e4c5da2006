//! Clients that read slowly: what their systems have acknowledged, and how much of it keeps them alive.

use std::time::Duration;

use super::ledger::Ledger;
use super::world::Connection;
use crate::worker::{Limits, TICK};

impl Connection {
    /// Whether the client's end takes in only as much as there is room for. Where it does not, it takes in everything at once.
    pub(crate) const fn is_bounded(&self) -> bool {
        self.send_buffer != usize::MAX
    }

    /// Bytes that the client's system has not acknowledged.
    pub(crate) const fn unacknowledged(&self) -> usize {
        if self.is_bounded() { self.outbound.len() } else { 0 }
    }

    /// Bytes that the client had read by that time.
    fn taken_by(&self, time: Duration) -> usize {
        let takes = &self.takes[..self.takes.partition_point(|(_, at)| *at <= time)];
        takes.last().map_or(0, |(taken, _)| *taken)
    }

    /// Whether the client takes enough of what is in front of a Ping, which ends there in the stream or has not left yet: then it has
    /// not failed to answer.
    pub(crate) fn is_taking(&self, ping_end: Option<usize>, limits: &Limits, now: Duration) -> bool {
        // Two looks are so far from each other, but for the rest of a tick.
        let recent = self.taken_by(now.saturating_sub(patience(limits) - TICK));
        let taken = self.taken_by(now);
        self.is_bounded()
            && ping_end.is_none_or(|end| taken < end)
            && taken - recent >= least(limits)
            && self.takes.last().is_some_and(|(_, at)| *at + patience(limits) > now + TICK)
    }

    /// A client that has not answered a Ping that left at a time, and ends at a place in the stream, must take what is in front of it,
    /// and answer when it has it.
    pub(crate) fn must_take(
        &self,
        (sent, ping_end): (Duration, usize),
        limits: &Limits,
        now: Duration,
    ) -> Result<(), String> {
        // From a look to the next, and all the time anew when the Ping leaves an outbox.
        let most = 3 * patience(limits) + 3 * TICK;
        if !self.is_bounded() || now <= sent.max(self.written_at) + most {
            return Ok(());
        }
        let (before, taken) = (self.taken_by(now - most), self.taken_by(now));
        if before >= ping_end {
            return Err(format!("it has had its Ping for {most:?}, and lives"));
        }
        if taken < ping_end && taken - before < least(limits) {
            return Err(format!("it has taken {} bytes in {most:?}, and lives", taken - before));
        }
        Ok(())
    }
}

/// The time from one look after a Pong to the next.
fn patience(limits: &Limits) -> Duration {
    Ledger::in_ticks(limits.pong_timeout) + TICK
}

/// Bytes that a client must take meanwhile.
fn least(limits: &Limits) -> usize {
    let least = u128::from(limits.slowest_reader) * patience(limits).as_millis() / 1000;
    usize::try_from(least).unwrap_or(usize::MAX).max(1)
}
