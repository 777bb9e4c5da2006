//! A server as other threads see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::closed::CloseReason;
use super::conn::SendError;
use super::mailbox::{Mail, PostError};
use super::prepared::PreparedMessage;
use super::shared::{Shared, SharedWorker, Stage};
use crate::metrics::Stats;
use crate::worker::table::ConnId;
use crate::ws::{Message, clip_reason, encode};

/// A server as other threads see it: sends to connections, closes them, and ends the server, from any thread. Cheap to clone.
///
/// Messages pass through mailboxes, one per worker, in order. A mailbox holds 1,024 entries and 16 MiB of messages. A full mailbox refuses;
/// no function here blocks. [`Stats::mail_bytes`] is the size of the waiting messages, [`Stats::mail_refused`] counts refusals.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Sends a message to a connection, encoded on the calling thread. If the connection is gone when the worker takes the message, the
    /// worker counts that ([`Stats::messages_to_nobody`]). If the connection's outbox is full, the worker closes it with 1008.
    ///
    /// # Errors
    /// [`SendError::TooLong`] and [`SendError::MailboxFull`], and the message is not sent; [`SendError::Gone`] once the worker has ended.
    pub fn send(&self, to: ConnId, message: Message<'_>) -> Result<(), SendError> {
        self.post(to.worker(), Mail::Send { to, frame: self.prepare(message)?.frame().clone() })
    }

    /// Sends a message to every connection that is open when its worker takes the message. The message is encoded once, compressed at most
    /// once for connections that negotiated compression, and shared.
    ///
    /// # Errors
    /// [`SendError::TooLong`], and no connection gets the message; [`SendError::MailboxFull`] or [`SendError::Gone`] when some worker did
    /// not take it: connections of the other workers get the message.
    pub fn broadcast(&self, message: Message<'_>) -> Result<(), SendError> {
        let prepared = self.prepare(message)?;
        let workers = 0..self.shared.workers.len();
        let posted = workers.map(|worker| self.post(worker, Mail::Broadcast(prepared.clone())));
        // All mailboxes are tried before the first error is returned.
        posted.fold(Ok(()), Result::and)
    }

    /// Closes a connection. Messages sent before leave first. A text longer than 123 bytes is truncated.
    ///
    /// # Errors
    /// [`SendError::MailboxFull`] or [`SendError::Gone`].
    pub fn close(&self, id: ConnId, reason: impl Into<CloseReason>, text: &str) -> Result<(), SendError> {
        let code = reason.into().close_code();
        self.post(id.worker(), Mail::Close { id, code, reason: clip_reason(text).into() })
    }

    /// Wakes a worker, so that its handler gets a [turn](crate::Handler::turn) soon. Calls before that turn are merged into one.
    ///
    /// # Errors
    /// [`SendError::Gone`] when there is no worker of this number.
    pub fn wake(&self, worker: usize) -> Result<(), SendError> {
        self.shared.workers.get(worker).map(|slot| slot.mailbox.wake()).ok_or(SendError::Gone)
    }

    /// Begins to end the server in order, as [`Server::drain`](crate::Server::drain) does. Returns at once;
    /// [`Server::join`](crate::Server::join), in the thread that has the server, returns when the server has ended. Once the server ends,
    /// further calls have no effect.
    pub fn drain(&self, within: Duration) {
        self.shared.drain(within);
    }

    /// Ends the server at once, and cuts all connections. Returns before the server has ended.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Returns whether the server is about to end or has ended: it drains, or was stopped.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.shared.common.stage() != Stage::Running
    }

    /// Returns the number of workers, which are numbered from 0.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.workers.len()
    }

    /// Returns the sum of all workers' statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut total = Stats::default();
        self.worker_stats().iter().for_each(|stats| total.merge(stats));
        total
    }

    /// Returns each worker's statistics, in the order of their numbers.
    #[must_use]
    pub fn worker_stats(&self) -> Vec<Stats> {
        let snapshot = |worker: &SharedWorker| {
            let (mail_bytes, mail_refused) = (worker.mailbox.bytes() as u64, worker.mailbox.refused());
            Stats { mail_bytes, mail_refused, ..worker.counters.snapshot() }
        };
        self.shared.workers.iter().map(snapshot).collect()
    }

    fn prepare(&self, message: Message<'_>) -> Result<PreparedMessage, SendError> {
        let len = encode::frame_len(message.as_bytes().len());
        if len <= self.shared.max_frame_len {
            Ok(PreparedMessage::new(message))
        } else {
            Err(SendError::TooLong)
        }
    }

    fn post(&self, worker: usize, mail: Mail) -> Result<(), SendError> {
        let Some(worker) = self.shared.workers.get(worker) else { return Err(SendError::Gone) };
        worker.mailbox.post(mail).map_err(|error| match error {
            PostError::Full => SendError::MailboxFull,
            PostError::Gone => SendError::Gone,
        })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("workers", &self.shared.workers.len()).finish_non_exhaustive()
    }
}
