//! State that the workers of a server and the holders of its handles share: atomics and mailboxes, no locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::mailbox::{Inbox, Mailbox, mailbox};
use super::notice::Notices;
use crate::base::notifier::Wake;
use crate::budget::{MAILBOX, MAILBOX_BYTES};
use crate::metrics::Counters;

/// State shared by all threads of a server.
pub(crate) struct Shared {
    pub(crate) workers: Vec<SharedWorker>,
    pub(crate) common: Arc<Common>,
    /// Size of the longest frame that may be sent, in bytes: that of an outbox.
    pub(crate) max_frame_len: usize,
}

/// One worker as other threads see it.
pub(crate) struct SharedWorker {
    pub(crate) mailbox: Mailbox,
    pub(crate) counters: Arc<Counters>,
}

/// Atomics that every worker reads and writes.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Client sockets held by all workers, for the server's limit.
    connections: AtomicUsize,
    /// Workers that are in the group of listeners.
    listening: AtomicUsize,
    stage: AtomicU8,
    /// Whether a worker has sent the notice that it is late.
    late_notice_sent: AtomicBool,
    /// The time limit of a drain, in milliseconds; set before `stage` becomes `Draining`.
    drain_millis: AtomicU64,
    pub(crate) notices: Notices,
}

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// The server accepts no connection, and closes all with 1001.
    Draining,
    /// Workers end at once.
    Stopped,
}

impl Shared {
    /// Makes one slot per waker. Returns the shared state and the workers' inboxes. `outbox` is the limit of a connection's outbox, in
    /// bytes.
    pub(crate) fn new(wakers: Vec<Box<dyn Wake>>, outbox: usize) -> (Self, Vec<Inbox>) {
        let (workers, inboxes) = wakers
            .into_iter()
            .map(|waker| {
                let (mailbox, inbox) = mailbox(MAILBOX, MAILBOX_BYTES, waker);
                (SharedWorker { mailbox, counters: Arc::default() }, inbox)
            })
            .unzip();
        (Self { workers, common: Arc::default(), max_frame_len: outbox }, inboxes)
    }

    /// Makes every worker close its connections within `time` and end.
    pub(crate) fn drain(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.common.drain_millis.store(millis, Ordering::Relaxed);
        self.enter_stage(Stage::Draining);
    }

    /// Makes every worker end at once.
    pub(crate) fn stop(&self) {
        self.enter_stage(Stage::Stopped);
    }

    fn enter_stage(&self, stage: Stage) {
        self.common.stage.fetch_max(stage as u8, Ordering::Release);
        for worker in &self.workers {
            worker.mailbox.wake();
        }
    }
}

impl Common {
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Draining,
            _ => Stage::Stopped,
        }
    }

    /// Returns the time limit of the drain; meaningful once the stage is `Draining`.
    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_millis(self.drain_millis.load(Ordering::Relaxed))
    }

    /// Counts one more connection and returns how many there were before.
    pub(crate) fn add_connection(&self) -> usize {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn remove_connection(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns whether the caller sends the notice that a worker is late: `true` in the first call only.
    pub(crate) fn claim_late_notice(&self) -> bool {
        !self.late_notice_sent.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn join_group(&self) {
        self.listening.fetch_add(1, Ordering::AcqRel);
    }

    /// Leaves the group of listeners, unless this worker is its last. Returns whether it left.
    pub(crate) fn leave_group(&self) -> bool {
        let leave = |listening: usize| (listening > 1).then(|| listening - 1);
        self.listening.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok()
    }
}
