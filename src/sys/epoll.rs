//! Exclusive epoll, which mio lacks: an event wakes one of several threads that wait for one socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use super::check;

/// Watches a socket for reading, edge-triggered and exclusively (`EPOLLEXCLUSIVE`, epoll_ctl(2)): of the epoll instances that watch the
/// socket, an event wakes the first waiting one in the order of registration. Input that has arrived before is an event too.
///
/// # Errors
/// `ENOMEM`, `ENOSPC`; `EEXIST` when the instance watches the socket already.
pub fn watch_exclusive(epoll: RawFd, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
    let events = libc::EPOLLIN | libc::EPOLLET | libc::EPOLLEXCLUSIVE;
    let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: token };
    // SAFETY: the pointer is to a live local struct, which the call only reads.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) }).map(drop)
}

/// Ends the watch of a socket.
///
/// # Errors
/// `ENOENT` when the instance does not watch the socket.
pub fn unwatch(epoll: RawFd, fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the event may be null since Linux 2.6.9.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd.as_raw_fd(), ptr::null_mut()) }).map(drop)
}
