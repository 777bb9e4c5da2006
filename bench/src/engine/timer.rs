//! A timer that wakes an event loop to the microsecond: epoll's own timeout counts in milliseconds.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// A timer of timerfd_create(2).
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// Makes a timer whose events come with a token.
    pub(crate) fn new(registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).context("cannot make a timer")?;
        let registered = registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE);
        registered.context("cannot watch a timer")?;
        Ok(Self(fd))
    }

    /// Has it wake the loop once after some time, at least a nanosecond, instead of when it was set for before.
    pub(crate) fn set(&self, after: Duration) -> anyhow::Result<()> {
        // Zero would disarm it. Setting it also takes back what has not been read of earlier wakes.
        let after = after.max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(after).context("a time too far ahead for a timer")?;
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval, it_value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)
            .context("cannot set a timer")?;
        Ok(())
    }
}
