//! What mio's epoll cannot: to wake one of several that wait for the same socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use super::check;

/// Watches a socket for reading, edge-triggered, together with other epolls of which an event wakes one, the first in line that waits
/// (`EPOLLEXCLUSIVE`, epoll_ctl(2)). If something is there to read already, that is an event.
///
/// # Errors
/// `ENOMEM`, `ENOSPC`; `EEXIST` when it is watched.
pub fn watch_together(epoll: RawFd, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
    let events = libc::EPOLLIN | libc::EPOLLET | libc::EPOLLEXCLUSIVE;
    let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: token };
    // SAFETY: the pointer is to a live local struct, which the call only reads.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) }).map(drop)
}

/// Watches it no more.
///
/// # Errors
/// `ENOENT` when it is not watched.
pub fn unwatch(epoll: RawFd, fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the event may be null since Linux 2.6.9.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd.as_raw_fd(), ptr::null_mut()) }).map(drop)
}
