//! A waker for the program's own event loop, which worker threads may use.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::base::notifier::Notifier;
use crate::sys::eventfd::EventFd;

/// Wakes the program's own event loop, such as an async runtime, from any thread. It is cheap to clone.
///
/// When workers have private descriptor tables, a worker's thread must not use a runtime's own waker: the waker would write to a descriptor
/// number that means another file in that table. The eventfd of a `LoopWaker` is made before those tables and is open in each of them.
///
/// Watch its descriptor for reading, edge-triggered (`EPOLLET`), and never read from it: every wake-up is an edge. After an edge, first
/// call [`acknowledge`](Self::acknowledge), and then check for the reason.
#[derive(Debug, Clone)]
pub struct LoopWaker(Arc<Notifier<EventFd>>);

impl LoopWaker {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(Notifier::new(EventFd::new()?))))
    }

    /// Wakes the event loop, unless an earlier wake-up is not acknowledged yet.
    pub fn wake(&self) {
        self.0.notify();
    }

    /// Acknowledges an edge, so that a later wake-up makes another one.
    pub fn acknowledge(&self) {
        self.0.acknowledge();
    }
}

impl AsFd for LoopWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.waker().as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read};

    use super::*;

    /// Returns the number of writes to the eventfd since the last call.
    fn edges(waker: &LoopWaker) -> u64 {
        let mut count = [0; 8];
        let mut file = File::from(waker.as_fd().try_clone_to_owned().unwrap());
        match file.read_exact(&mut count) {
            Ok(()) => u64::from_ne_bytes(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn it_wakes_once_until_it_is_acknowledged() {
        let waker = LoopWaker::new().unwrap();
        assert_eq!(edges(&waker), 0);
        waker.wake();
        waker.clone().wake();
        assert_eq!(edges(&waker), 1);
        waker.acknowledge();
        assert_eq!(edges(&waker), 0);
        waker.wake();
        assert_eq!(edges(&waker), 1);
    }
}
