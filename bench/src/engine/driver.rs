//! How a command takes an engine from one phase to the next: it looks at it many times a second, draws a bar, and ends with an error when
//! the user interrupts it or a thread fails.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use indicatif::ProgressBar;

use super::once::Once;
use super::visits::Visits;
use super::{Engine, Opening, Outcome};
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;

/// How often the main thread looks at an engine.
pub(crate) const LOOK: Duration = Duration::from_millis(10);
/// Things that have not gone on for so long have come to a halt.
const STANDSTILL: Duration = Duration::from_secs(60);

/// An engine, who may interrupt it, and where its progress is shown.
pub(crate) struct Driver<V: Visits = Once> {
    pub(crate) engine: Engine<V>,
    pub(crate) interrupt: Interrupt,
    pub(crate) bars: Bars,
}

impl<V: Visits> Driver<V> {
    /// Opens the connections, until each has opened or failed, and begins to hold them.
    pub(crate) fn ramp(&self, title: &'static str) -> anyhow::Result<Opening> {
        let bar = self.bars.counting(title, self.engine.wanted());
        self.engine.open();
        let mut halt = Halt::new("the ramp", self.engine.patience());
        while !self.engine.is_ramped() {
            self.look(LOOK)?;
            let counts = self.engine.counts();
            bar.set_position(counts.opened);
            bar.set_message(format!("{} failed", counts.failed));
            halt.check(counts.opened + counts.failed)?;
        }
        bar.finish_and_clear();
        self.engine.hold();
        Ok(self.engine.opening())
    }

    /// Lets some time pass.
    pub(crate) fn pass(&self, title: &'static str, time: Duration) -> anyhow::Result<()> {
        let bar = self.bars.waiting(title, time);
        let start = Instant::now();
        while start.elapsed() < time {
            self.look(LOOK.min(time.saturating_sub(start.elapsed())))?;
            show_time(&bar, start);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits for something.
    pub(crate) fn until<T>(&self, mut ready: impl FnMut(&Engine<V>) -> Option<T>) -> anyhow::Result<T> {
        loop {
            if let Some(found) = ready(&self.engine) {
                return Ok(found);
            }
            self.look(LOOK)?;
        }
    }

    /// One look, and a little sleep.
    pub(crate) fn look(&self, pause: Duration) -> anyhow::Result<()> {
        ensure!(!self.interrupt.is_raised(), "interrupted");
        if self.engine.has_ended_thread() {
            bail!("a client thread has ended early");
        }
        std::thread::sleep(pause);
        Ok(())
    }

    /// Closes all connections.
    pub(crate) fn close(mut self) -> anyhow::Result<(Outcome, V::Tally)> {
        self.engine.close();
        let bar = self.bars.counting("close", self.engine.counts().open);
        while !self.engine.is_finished() {
            self.look(LOOK)?;
            bar.set_position(self.engine.counts().closed);
        }
        bar.finish_and_clear();
        self.engine.finish()
    }
}

/// Has a bar of [`Bars::waiting`] show the time since then.
pub(crate) fn show_time(bar: &ProgressBar, since: Instant) {
    bar.set_position(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
}

/// Notices when something that should go on does not.
pub(crate) struct Halt {
    what: &'static str,
    patience: Duration,
    reached: u64,
    since: Instant,
}

impl Halt {
    /// Waits for so long, and a minute at least.
    pub(crate) fn new(what: &'static str, patience: Duration) -> Self {
        Self { what, patience: STANDSTILL.max(patience), reached: 0, since: Instant::now() }
    }

    /// Takes note of how far it is.
    pub(crate) fn check(&mut self, reached: u64) -> anyhow::Result<()> {
        if reached != self.reached {
            (self.reached, self.since) = (reached, Instant::now());
        }
        ensure!(self.since.elapsed() < self.patience, "{} has come to a halt at {reached}", self.what);
        Ok(())
    }
}
