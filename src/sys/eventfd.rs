//! A counter in the kernel that wakes an epoll loop, eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{check, check_len};

/// A non-blocking eventfd.
///
/// It is written to and never read: registered edge-triggered, every write is an edge of its own, and the 64-bit counter
/// would take five centuries of a write a nanosecond to fill. That makes it safe to use from threads whose private
/// descriptor tables were copied after its creation, because the number names the same counter in each of them.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// Makes an eventfd with the counter at zero.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds one to the counter: an edge for every epoll that watches it.
    ///
    /// # Errors
    /// None that a caller can meet: a full counter (2^64 - 2 writes) is `EAGAIN`.
    pub fn signal(&self) -> io::Result<()> {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the pointer and length are those of a live local array.
        check_len(unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) }).map(drop)
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
