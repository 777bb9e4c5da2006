//! What workers have to say to the log.
//!
//! They write no line themselves. Whatever writes it may use a descriptor, which means something else in a private table, and may have to
//! wait for its reader. A thread in the table of the program does it for them.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::budget::NOTICES;

/// Something for the log.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A request, or a connection without one, has been refused.
    Refused { worker: usize, peer: Option<SocketAddr>, status: u16, reason: &'static str },
    /// A connection has been dropped whose request has not come in time.
    Late { worker: usize, peer: Option<SocketAddr> },
    /// Clients are refused for want of this.
    Full { worker: usize, of: &'static str },
    /// A worker that was full cannot listen again.
    CannotListen { worker: usize, address: SocketAddr, error: io::Error },
    /// A worker is late, by so much, and puts Pings off.
    PutsPingsOff { worker: usize, late_by: Duration },
    /// A worker has survived a fault of this program.
    Bug { worker: usize, what: &'static str },
    /// A worker runs on any core.
    CannotPin { worker: usize, core: usize },
    /// No more follow.
    End,
}

/// The way of notices to the thread that writes them.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// The receiver of notices. Without one there are none.
    to: OnceLock<SyncSender<Notice>>,
    lost: AtomicU64,
}

impl Notices {
    /// Begins to pass them on; `None` when that has been done before.
    pub(crate) fn open(&self) -> Option<Receiver<Notice>> {
        let (to, from) = sync_channel(NOTICES);
        self.to.set(to).is_ok().then_some(from)
    }

    /// Passes one on, or loses it when too many wait. It never waits, and uses no descriptor.
    pub(crate) fn say(&self, notice: Notice) {
        if let Some(to) = self.to.get()
            && to.try_send(notice).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Passes the last one on, behind all others.
    pub(crate) fn end(&self) {
        if let Some(to) = self.to.get() {
            // The reader may have ended.
            let _ = to.send(Notice::End);
        }
    }
}

/// Whether each refused request makes a notice: the level is asked for before anything is found out about it.
pub(in crate::worker) fn tells_refusals() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_that_nobody_reads_are_lost_and_counted() {
        let notices = Notices::default();
        let say = |worker| notices.say(Notice::Full { worker, of: "room" });
        say(0);
        assert_eq!(notices.take_lost(), 0);
        let from = notices.open().unwrap();
        assert!(notices.open().is_none());
        (0..NOTICES + 3).for_each(say);
        assert_eq!([notices.take_lost(), notices.take_lost()], [3, 0]);
        let first = from.try_recv();
        assert!(matches!(first, Ok(Notice::Full { worker: 0, .. })), "{first:?}");
        notices.end();
        assert!(matches!(from.try_iter().last(), Some(Notice::End)));
    }
}
