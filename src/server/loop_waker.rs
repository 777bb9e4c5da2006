//! A waker for an event loop of the program, which worker threads may use.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::base::notifier::Notifier;
use crate::sys::eventfd::EventFd;

/// Wakes an event loop of the program, such as an async runtime, from any thread. Cheap to clone.
///
/// A runtime's own waker must not be used in a worker's thread when workers have private descriptor tables: it would write to a
/// descriptor of that table which means something else there. The eventfd of this one is made before those tables and is open in each.
///
/// Watch its descriptor for reading, edge-triggered (`EPOLLET`), and never read from it: every wake-up is an edge. After an
/// edge call [`acknowledge`](Self::acknowledge), and only then look for the reason.
#[derive(Debug, Clone)]
pub struct LoopWaker(Arc<Notifier<EventFd>>);

impl LoopWaker {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(Notifier::new(EventFd::new()?))))
    }

    /// Wakes the watcher, unless that has happened and not been acknowledged yet.
    pub fn wake(&self) {
        self.0.notify();
    }

    /// To be called after an edge: a later wake-up makes another one.
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

    /// How often the eventfd was written to since the last time.
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
