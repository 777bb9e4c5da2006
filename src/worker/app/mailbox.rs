//! What other threads want of a worker, in a bounded queue.

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
    /// Bytes that it counts for. A message to all counts in each mailbox, though it is shared.
    fn len(&self) -> usize {
        match self {
            Self::Send { frame, .. } => frame.len(),
            Self::Broadcast(message) => message.plain().len(),
            Self::Close { reason, .. } => reason.len(),
        }
    }
}

/// The senders' end. A full mailbox refuses; it never blocks.
pub(crate) struct Mailbox {
    sender: SyncSender<Mail>,
    notifier: Arc<Notifier<Box<dyn Wake>>>,
    most_bytes: usize,
    bytes: Arc<AtomicUsize>,
    refused: AtomicU64,
}

/// The worker's end.
pub(crate) struct Inbox {
    receiver: Receiver<Mail>,
    notifier: Arc<Notifier<Box<dyn Wake>>>,
    bytes: Arc<AtomicUsize>,
}

/// A mailbox of `capacity` entries, with `most_bytes` in all but of a single one, whose worker is woken by `waker`.
pub(crate) fn mailbox(capacity: usize, most_bytes: usize, waker: Box<dyn Wake>) -> (Mailbox, Inbox) {
    let (sender, receiver) = sync_channel(capacity);
    let (notifier, bytes) = (Arc::new(Notifier::new(waker)), Arc::<AtomicUsize>::default());
    let inbox = Inbox { receiver, notifier: Arc::clone(&notifier), bytes: Arc::clone(&bytes) };
    (Mailbox { sender, notifier, most_bytes, bytes, refused: AtomicU64::new(0) }, inbox)
}

/// Why a mailbox did not take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    Full,
    /// The worker has ended.
    Gone,
}

impl Mailbox {
    /// Puts an entry in and wakes the worker.
    pub(crate) fn post(&self, mail: Mail) -> Result<(), Rejected> {
        let len = mail.len();
        let before = self.bytes.fetch_add(len, Ordering::Relaxed);
        let posted = if before > 0 && before.saturating_add(len) > self.most_bytes {
            Err(Rejected::Full)
        } else {
            self.sender.try_send(mail).map_err(|error| match error {
                TrySendError::Full(_) => Rejected::Full,
                TrySendError::Disconnected(_) => Rejected::Gone,
            })
        };
        if let Err(rejected) = posted {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            self.refused.fetch_add(u64::from(rejected == Rejected::Full), Ordering::Relaxed);
            return posted;
        }
        self.wake();
        Ok(())
    }

    /// Bytes of the messages in it now.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many entries were refused because it was full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Wakes the worker, unless it has been woken and has not looked yet.
    pub(crate) fn wake(&self) {
        self.notifier.notify();
    }
}

impl Inbox {
    /// To be called after a wait, before looking at what the wake-up may be about: a later change wakes the
    /// worker again.
    pub(crate) fn acknowledge(&self) {
        self.notifier.acknowledge();
    }

    /// What wakes the worker.
    pub(crate) fn notifier(&self) -> &Arc<Notifier<Box<dyn Wake>>> {
        &self.notifier
    }

    /// The next entry.
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

    struct Count(Arc<AtomicUsize>);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close() -> Mail {
        Mail::Close { id: ConnId::from_u64(0), code: CloseCode::NORMAL, reason: "".into() }
    }

    #[test]
    fn a_full_mailbox_refuses_and_a_read_one_takes_again() {
        let (mailbox, inbox) = mailbox(2, 100, Box::new(Count(Arc::default())));
        assert_eq!([mailbox.post(close()), mailbox.post(close())], [Ok(()), Ok(())]);
        assert_eq!(mailbox.post(close()), Err(Rejected::Full));
        assert!(inbox.take().is_some());
        assert_eq!(mailbox.post(close()), Ok(()));
        drop(inbox);
        assert_eq!(mailbox.post(close()), Err(Rejected::Gone));
        assert_eq!(mailbox.refused(), 1);
    }

    #[test]
    fn bytes_are_bounded_but_of_an_entry_that_is_alone() {
        let (mailbox, inbox) = mailbox(8, 100, Box::new(Count(Arc::default())));
        let of = |len: usize| Mail::Send { to: ConnId::from_u64(0), frame: vec![0; len].into() };
        assert_eq!([mailbox.post(of(60)), mailbox.post(of(40))], [Ok(()), Ok(())]);
        assert_eq!(mailbox.post(of(1)), Err(Rejected::Full));
        assert_eq!((mailbox.bytes(), mailbox.refused()), (100, 1));
        assert!(inbox.take().is_some());
        assert_eq!(mailbox.post(of(61)), Err(Rejected::Full));
        assert!(inbox.take().is_some());
        assert_eq!([mailbox.post(of(1_000)), mailbox.post(of(1))], [Ok(()), Err(Rejected::Full)]);
        assert!(inbox.take().is_some());
        assert_eq!((mailbox.bytes(), mailbox.refused()), (0, 3));
    }

    #[test]
    fn the_worker_is_woken_once_until_it_looks() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let (mailbox, inbox) = mailbox(8, 100, Box::new(Count(Arc::clone(&wakes))));
        mailbox.post(close()).unwrap();
        mailbox.post(close()).unwrap();
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        inbox.acknowledge();
        mailbox.post(close()).unwrap();
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }
}
