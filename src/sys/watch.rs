//! Descriptors that tokio watches, for the control thread of the `throng` program.

use std::io;
use std::os::fd::BorrowedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for reading, edge-triggered, in the current runtime.
///
/// # Errors
/// The error of epoll_ctl(2).
///
/// # Panics
/// Outside of a tokio runtime, or in one without I/O.
pub fn for_reading(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the borrowed descriptor stays open and unchanged for the borrow's lifetime, which the result has too.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(watched?)
}
