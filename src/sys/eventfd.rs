//! A counter in the kernel that wakes an epoll loop, eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{check, check_len};

/// A non-blocking eventfd.
///
/// An eventfd is written to and never read. With edge-triggered registration every write is an edge of its own, and filling the 64-bit
/// counter would take five centuries at one write a nanosecond. Threads whose private descriptor tables were copied after its creation can
/// use it safely, because its number names the same counter in each table.
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

    /// Adds one to the counter, which is an edge for every epoll instance that watches the eventfd.
    ///
    /// # Errors
    /// None in practice: `EAGAIN` when the counter is full, after 2^64 - 2 writes.
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
