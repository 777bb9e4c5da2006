//! Clients that read slowly: what their systems have acknowledged, and how much of it keeps them alive.

use std::time::Duration;

use super::connection::Connection;
use crate::base::ticks::TICK;
use crate::worker::Limits;

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

    /// Whether the client takes enough of what is in front of a Ping or a Close, which ends there in the stream or has not left yet: then
    /// it has not failed to answer.
    pub(crate) fn is_taking(&self, end: Option<usize>, pace: ReadPace, now: Duration) -> bool {
        // Two looks are so far from each other, but for the rest of a tick.
        let recent = self.taken_by(now.saturating_sub(pace.window - TICK));
        let taken = self.taken_by(now);
        self.is_bounded()
            && end.is_none_or(|end| taken < end)
            && taken - recent >= pace.least
            && self.takes.last().is_some_and(|(_, at)| *at + pace.window > now + TICK)
    }

    /// A client that has not answered a Ping or a Close that left at a time, and ends at a place in the stream, must take what is in front
    /// of it, and answer when it has it.
    pub(crate) fn must_take(
        &self,
        (sent, end): (Duration, usize),
        pace: ReadPace,
        now: Duration,
    ) -> Result<(), String> {
        // From a look to the next, and all the time anew when it leaves an outbox.
        let most = 3 * pace.window + 3 * TICK;
        if !self.is_bounded() || now <= sent.max(self.written_at) + most {
            return Ok(());
        }
        let (before, taken) = (self.taken_by(now - most), self.taken_by(now));
        if before >= end {
            return Err(format!("it has had its Ping or Close for {most:?}, and lives"));
        }
        if taken < end && taken - before < pace.least {
            return Err(format!("it has taken {} bytes in {most:?}, and lives", taken - before));
        }
        Ok(())
    }
}

/// How fast a client must read what is in front of something that it is to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadPace {
    /// From one look to the next.
    pub(crate) window: Duration,
    /// Bytes that it must take meanwhile.
    least: usize,
}

impl ReadPace {
    pub(crate) fn of_pongs(limits: &Limits) -> Self {
        Self::new(limits, limits.pong_timeout)
    }

    pub(crate) fn of_closes(limits: &Limits) -> Self {
        Self::new(limits, limits.close_timeout)
    }

    fn new(limits: &Limits, timeout: Duration) -> Self {
        let window = whole_ticks(timeout) + TICK;
        let least = u128::from(limits.slowest_reader) * window.as_millis() / 1000;
        Self { window, least: usize::try_from(least).unwrap_or(usize::MAX).max(1) }
    }
}

/// A time in whole ticks, rounded up.
pub(crate) fn whole_ticks(time: Duration) -> Duration {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}
