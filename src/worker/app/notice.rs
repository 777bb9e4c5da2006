//! Log messages of workers.
//!
//! Workers do not write to the log themselves. The code that writes a line may use a descriptor, which means something else in a worker's
//! private descriptor table, and may block. A thread in the program's own descriptor table writes the lines for them.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::budget::NOTICES;

/// A message for the log.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The server refused a request, or a connection before its request.
    Refused { worker: usize, peer: Option<SocketAddr>, status: u16, reason: &'static str },
    /// The server dropped a connection because its request did not arrive in time.
    HandshakeTimeout { worker: usize, peer: Option<SocketAddr> },
    /// The server refuses clients because this resource is used up.
    Full { worker: usize, of: &'static str },
    /// A worker that was full cannot listen again.
    CannotListen { worker: usize, address: SocketAddr, error: io::Error },
    /// A worker handles timers `late_by` too late and postpones Pings.
    PostponesPings { worker: usize, late_by: Duration },
    /// A worker has survived a bug of this program.
    Bug { worker: usize, what: &'static str },
    /// A worker could not be pinned to its core, and runs on any.
    CannotPin { worker: usize, core: usize },
    /// No more notices follow.
    End,
}

/// The sending end of the queue of notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// The queue to the thread that writes notices; before it is set, notices are discarded.
    to: OnceLock<SyncSender<Notice>>,
    lost: AtomicU64,
}

impl Notices {
    /// Opens the queue and returns its receiving end; `None` when it was opened before.
    pub(crate) fn open(&self) -> Option<Receiver<Notice>> {
        let (to, from) = sync_channel(NOTICES);
        self.to.set(to).is_ok().then_some(from)
    }

    /// Queues a notice, or drops and counts it when the queue is full. Never blocks, and uses no descriptor.
    pub(crate) fn send(&self, notice: Notice) {
        if let Some(to) = self.to.get()
            && to.try_send(notice).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many notices were dropped since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Queues the last notice, behind all others.
    pub(crate) fn end(&self) {
        if let Some(to) = self.to.get() {
            // The receiving thread may have ended.
            let _ = to.send(Notice::End);
        }
    }
}

/// Returns whether each refused request makes a notice. Checks the log level, so that details of the request are collected only when they are logged.
pub(in crate::worker) fn logs_refusals() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_that_nobody_reads_are_lost_and_counted() {
        let notices = Notices::default();
        let say = |worker| notices.send(Notice::Full { worker, of: "room" });
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
