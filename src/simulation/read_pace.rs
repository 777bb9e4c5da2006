//! Clients that read slowly: the bytes that their systems have acknowledged, and the pace that keeps them connected.

use std::time::Duration;

use super::connection::Connection;
use crate::base::ticks::TICK;
use crate::worker::Limits;

impl Connection {
    /// Returns whether the client's system accepts only as many bytes as its buffer has room for. Otherwise it accepts all bytes at once.
    pub(crate) const fn is_bounded(&self) -> bool {
        self.send_buffer != usize::MAX
    }

    /// Returns the bytes that the client's system has not acknowledged.
    pub(crate) const fn unacknowledged(&self) -> usize {
        if self.is_bounded() { self.outbound.len() } else { 0 }
    }

    /// Returns the bytes that the client had read by that time.
    fn taken_by(&self, time: Duration) -> usize {
        let takes = &self.takes[..self.takes.partition_point(|(_, at)| *at <= time)];
        takes.last().map_or(0, |(taken, _)| *taken)
    }

    /// Returns whether the client reads the bytes before a Ping or a Close fast enough, so that it is not late with its answer. `end` is
    /// the offset of the frame's end in the stream; `None` if the frame has not been sent.
    pub(crate) fn is_taking(&self, end: Option<usize>, pace: ReadPace, now: Duration) -> bool {
        // Two checks by the worker are this far apart, except for a part of a tick.
        let recent = self.taken_by(now.saturating_sub(pace.window - TICK));
        let taken = self.taken_by(now);
        self.is_bounded()
            && end.is_none_or(|end| taken < end)
            && taken - recent >= pace.least
            && self.takes.last().is_some_and(|(_, at)| *at + pace.window > now + TICK)
    }

    /// Checks a client that has not answered a Ping or a Close, which was sent at the time `sent` and ends at the offset `end` in the
    /// stream. The client must read the bytes before the frame at the required pace, and answer once it has read the frame.
    pub(crate) fn must_take(
        &self,
        (sent, end): (Duration, usize),
        pace: ReadPace,
        now: Duration,
    ) -> Result<(), String> {
        // The time from one check to the next, and again in full when the frame leaves an outbox.
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

/// The pace at which a client must read the bytes before a frame that it has to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadPace {
    /// The time from one check to the next.
    pub(crate) window: Duration,
    /// The bytes that the client must read in that time.
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

/// Rounds a time up to whole ticks.
pub(crate) fn whole_ticks(time: Duration) -> Duration {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}
