//! What the workers of a server, and the holders of a handle to it, share: atomics and mailboxes, no locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::mailbox::{Inbox, Mailbox, mailbox};
use super::notice::Notices;
use crate::base::notifier::Wake;
use crate::budget::{MAILBOX, MAILBOX_BYTES};
use crate::metrics::Counters;

/// Shared by all threads of a server.
pub(crate) struct Shared {
    pub(crate) workers: Vec<Slot>,
    pub(crate) common: Arc<Common>,
    /// Bytes of the longest frame that may be sent: those of an outbox.
    pub(crate) longest: usize,
}

/// One worker, as others see it.
pub(crate) struct Slot {
    pub(crate) mailbox: Mailbox,
    pub(crate) counters: Arc<Counters>,
}

/// What every worker reads and writes.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Sockets of clients held by all workers, for the server's limit.
    connections: AtomicUsize,
    /// Workers that are in the group of listeners.
    listening: AtomicUsize,
    stage: AtomicU8,
    /// The log has been told that a worker is late.
    told_of_lateness: AtomicBool,
    /// How long a drain may take, in milliseconds; set before the stage says that there is one.
    drain_millis: AtomicU64,
    pub(crate) notices: Notices,
}

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// No connection is accepted, and all are closed with 1001.
    Draining,
    /// Workers end at once.
    Stopped,
}

impl Shared {
    /// One slot a waker, and the inboxes of the workers, whose connections may each have `outbox` bytes wait.
    pub(crate) fn new(wakers: Vec<Box<dyn Wake>>, outbox: usize) -> (Self, Vec<Inbox>) {
        let (workers, inboxes) = wakers
            .into_iter()
            .map(|waker| {
                let (mailbox, inbox) = mailbox(MAILBOX, MAILBOX_BYTES, waker);
                (Slot { mailbox, counters: Arc::default() }, inbox)
            })
            .unzip();
        (Self { workers, common: Arc::default(), longest: outbox }, inboxes)
    }

    /// Tells every worker to close its connections within `time` and end.
    pub(crate) fn drain(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.common.drain_millis.store(millis, Ordering::Relaxed);
        self.enter(Stage::Draining);
    }

    /// Tells every worker to end at once.
    pub(crate) fn stop(&self) {
        self.enter(Stage::Stopped);
    }

    fn enter(&self, stage: Stage) {
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

    /// How long the drain may take; of meaning while there is one.
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

    /// Whether the log is to be told that a worker is late: once.
    pub(crate) fn tell_of_lateness(&self) -> bool {
        !self.told_of_lateness.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn join_group(&self) {
        self.listening.fetch_add(1, Ordering::AcqRel);
    }

    /// Leaves the group of listeners, unless it would be empty then.
    pub(crate) fn leave_group(&self) -> bool {
        let leave = |listening: usize| (listening > 1).then(|| listening - 1);
        self.listening.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok()
    }
}
