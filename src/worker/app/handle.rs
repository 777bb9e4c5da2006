//! A server, as other threads see it.

use std::fmt;
use std::sync::Arc;

use super::closed::CloseReason;
use super::conn::SendError;
use super::mailbox::{Mail, Rejected};
use super::prepared::PreparedMessage;
use super::shared::{Shared, Slot, Stage};
use crate::metrics::Stats;
use crate::worker::table::ConnId;
use crate::ws::{Message, clip_reason, encode};

/// Sends to and closes connections from any thread. Cheap to clone.
///
/// What it sends travels through mailboxes, one a worker, in order. Each holds 1,024 entries, and 16 MiB of messages: a full one refuses,
/// and nothing here blocks. [`Stats::mail_bytes`] is what waits, [`Stats::mail_refused`] counts refusals.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Sends a message to a connection. It is encoded here, on the calling thread. That the connection has gone meanwhile is
    /// counted ([`Stats::messages_to_nobody`]); that its outbox is full closes it with 1008.
    ///
    /// # Errors
    /// [`SendError::TooLong`] and [`SendError::MailboxFull`], and the message is not sent; [`SendError::Gone`] once the worker has ended.
    pub fn send(&self, to: ConnId, message: Message<'_>) -> Result<(), SendError> {
        self.post(to.worker(), Mail::Send { to, frame: self.prepare(message)?.plain().clone() })
    }

    /// Sends a message to every connection that is open when its worker gets to it. The message is encoded once,
    /// compressed at most once where connections agreed on it, and shared.
    ///
    /// # Errors
    /// [`SendError::TooLong`], and no connection gets it; [`SendError::MailboxFull`] or [`SendError::Gone`] when a worker did not take it: its
    /// connections do not get the message, those of the others do.
    pub fn broadcast(&self, message: Message<'_>) -> Result<(), SendError> {
        let prepared = self.prepare(message)?;
        let workers = 0..self.shared.workers.len();
        let posted = workers.map(|worker| self.post(worker, Mail::Broadcast(prepared.clone())));
        // Every worker gets its turn before the first error is reported.
        posted.fold(Ok(()), Result::and)
    }

    /// Closes a connection. Messages sent before leave first. A text over 123 bytes is clipped.
    ///
    /// # Errors
    /// [`SendError::MailboxFull`] or [`SendError::Gone`].
    pub fn close(&self, id: ConnId, reason: impl Into<CloseReason>, text: &str) -> Result<(), SendError> {
        let code = reason.into().close_code();
        self.post(id.worker(), Mail::Close { id, code, reason: clip_reason(text).into() })
    }

    /// Wakes a worker, so that its handler gets a [turn](crate::Handler::turn) soon. Many calls before it comes are one.
    ///
    /// # Errors
    /// [`SendError::Gone`] when there is no such worker.
    pub fn wake(&self, worker: usize) -> Result<(), SendError> {
        self.shared.workers.get(worker).map(|slot| slot.mailbox.wake()).ok_or(SendError::Gone)
    }

    /// Whether the server is about to end, or has ended: it drains, or was stopped.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.shared.common.stage() != Stage::Running
    }

    /// How many workers there are; they are numbered from 0.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// What all workers have counted, added up.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut total = Stats::default();
        self.worker_stats().iter().for_each(|stats| total.merge(stats));
        total
    }

    /// What each worker has counted, in the order of their numbers.
    #[must_use]
    pub fn worker_stats(&self) -> Vec<Stats> {
        let snapshot = |worker: &Slot| {
            let (mail_bytes, mail_refused) = (worker.mailbox.bytes() as u64, worker.mailbox.refused());
            Stats { mail_bytes, mail_refused, ..worker.counters.snapshot() }
        };
        self.shared.workers.iter().map(snapshot).collect()
    }

    fn prepare(&self, message: Message<'_>) -> Result<PreparedMessage, SendError> {
        let len = encode::frame_len(message.as_bytes().len());
        if len <= self.shared.longest { Ok(PreparedMessage::new(message)) } else { Err(SendError::TooLong) }
    }

    fn post(&self, worker: usize, mail: Mail) -> Result<(), SendError> {
        let Some(worker) = self.shared.workers.get(worker) else { return Err(SendError::Gone) };
        worker.mailbox.post(mail).map_err(|rejected| match rejected {
            Rejected::Full => SendError::MailboxFull,
            Rejected::Gone => SendError::Gone,
        })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("workers", &self.shared.workers.len()).finish_non_exhaustive()
    }
}
