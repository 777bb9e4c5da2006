//! Descriptors that are watched by tokio, for the `throng` program's control thread.

use std::io;
use std::os::fd::BorrowedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor for reading, edge-triggered, in the current runtime.
///
/// # Errors
/// What epoll_ctl(2) reports.
///
/// # Panics
/// Outside of a tokio runtime, or in one without I/O.
pub fn for_reading(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: what is borrowed stays open and the same for as long as the borrow, which the result holds.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(watched?)
}
