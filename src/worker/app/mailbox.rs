//! Requests of other threads to a worker, in a bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::prepared::PreparedMessage;
use crate::base::notifier::{Notifier, Wake};
use crate::worker::table::{ConnId, Frame};
use crate::ws::CloseCode;

/// A request to a worker.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Send a message to one connection.
    Send { to: ConnId, frame: Frame },
    /// Send a message to every open connection of the worker.
    Broadcast(PreparedMessage),
    /// Close a connection.
    Close { id: ConnId, code: CloseCode, reason: Box<str> },
}

impl Mail {
    /// Returns the bytes that this entry counts for. A broadcast message counts in each mailbox, though it is shared.
    fn len(&self) -> usize {
        match self {
            Self::Send { frame, .. } => frame.len(),
            Self::Broadcast(message) => message.frame().len(),
            Self::Close { reason, .. } => reason.len(),
        }
    }
}

/// The senders' end of a mailbox. A full mailbox refuses; it never blocks.
pub(crate) struct Mailbox {
    sender: SyncSender<Mail>,
    notifier: Arc<Notifier<Box<dyn Wake>>>,
    most_bytes: usize,
    bytes: Arc<AtomicUsize>,
    refused: AtomicU64,
}

/// The worker's end of a mailbox.
pub(crate) struct Inbox {
    receiver: Receiver<Mail>,
    notifier: Arc<Notifier<Box<dyn Wake>>>,
    bytes: Arc<AtomicUsize>,
}

/// Makes a mailbox of `capacity` entries for the worker that `waker` wakes. It holds `most_bytes` in total; a single entry may be longer.
pub(crate) fn mailbox(capacity: usize, most_bytes: usize, waker: Box<dyn Wake>) -> (Mailbox, Inbox) {
    let (sender, receiver) = sync_channel(capacity);
    let (notifier, bytes) = (Arc::new(Notifier::new(waker)), Arc::<AtomicUsize>::default());
    let inbox = Inbox { receiver, notifier: Arc::clone(&notifier), bytes: Arc::clone(&bytes) };
    (Mailbox { sender, notifier, most_bytes, bytes, refused: AtomicU64::new(0) }, inbox)
}

/// The reason why a mailbox did not take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostError {
    Full,
    /// The worker has ended.
    Gone,
}

impl Mailbox {
    /// Queues an entry and wakes the worker.
    pub(crate) fn post(&self, mail: Mail) -> Result<(), PostError> {
        let len = mail.len();
        let before = self.bytes.fetch_add(len, Ordering::Relaxed);
        let posted = if before > 0 && before.saturating_add(len) > self.most_bytes {
            Err(PostError::Full)
        } else {
            self.sender.try_send(mail).map_err(|error| match error {
                TrySendError::Full(_) => PostError::Full,
                TrySendError::Disconnected(_) => PostError::Gone,
            })
        };
        if let Err(error) = posted {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            self.refused.fetch_add(u64::from(error == PostError::Full), Ordering::Relaxed);
            return posted;
        }
        self.wake();
        Ok(())
    }

    /// Returns the size of the queued messages, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns how many entries were refused because the mailbox was full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Wakes the worker, unless it was woken before and has not acknowledged that yet.
    pub(crate) fn wake(&self) {
        self.notifier.notify();
    }
}

impl Inbox {
    /// Acknowledges a wake-up. The worker calls this after a wait and before it reads what other threads changed: a later change wakes it
    /// again.
    pub(crate) fn acknowledge(&self) {
        self.notifier.acknowledge();
    }

    /// Returns the notifier that wakes the worker.
    pub(crate) fn notifier(&self) -> &Arc<Notifier<Box<dyn Wake>>> {
        &self.notifier
    }

    /// Takes the next entry.
    pub(crate) fn take(&self) -> Option<Mail> {
        let mail = self.receiver.try_recv().ok()?;
        self.bytes.fetch_sub(mail.len(), Ordering::Relaxed);
        Some(mail)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn close() -> Mail {
        Mail::Close { id: ConnId::from_u64(0), code: CloseCode::NORMAL, reason: "".into() }
    }

    #[test]
    fn a_full_mailbox_refuses_and_a_read_one_takes_again() {
        let (mailbox, inbox) = mailbox(2, 100, Box::new(AtomicUsize::default()));
        assert_eq!([mailbox.post(close()), mailbox.post(close())], [Ok(()), Ok(())]);
        assert_eq!(mailbox.post(close()), Err(PostError::Full));
        assert!(inbox.take().is_some());
        assert_eq!(mailbox.post(close()), Ok(()));
        drop(inbox);
        assert_eq!(mailbox.post(close()), Err(PostError::Gone));
        assert_eq!(mailbox.refused(), 1);
    }

    #[test]
    fn bytes_are_bounded_but_of_an_entry_that_is_alone() {
        let (mailbox, inbox) = mailbox(8, 100, Box::new(AtomicUsize::default()));
        let of = |len: usize| Mail::Send { to: ConnId::from_u64(0), frame: vec![0; len].into() };
        assert_eq!([mailbox.post(of(60)), mailbox.post(of(40))], [Ok(()), Ok(())]);
        assert_eq!(mailbox.post(of(1)), Err(PostError::Full));
        assert_eq!((mailbox.bytes(), mailbox.refused()), (100, 1));
        assert!(inbox.take().is_some());
        assert_eq!(mailbox.post(of(61)), Err(PostError::Full));
        assert!(inbox.take().is_some());
        assert_eq!([mailbox.post(of(1_000)), mailbox.post(of(1))], [Ok(()), Err(PostError::Full)]);
        assert!(inbox.take().is_some());
        assert_eq!((mailbox.bytes(), mailbox.refused()), (0, 3));
    }

    #[test]
    fn the_worker_is_woken_once_until_it_acknowledges() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let (mailbox, inbox) = mailbox(8, 100, Box::new(Arc::clone(&wakes)));
        mailbox.post(close()).unwrap();
        mailbox.post(close()).unwrap();
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        inbox.acknowledge();
        mailbox.post(close()).unwrap();
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }
}
