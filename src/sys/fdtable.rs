//! Descriptor limits, and threads with private descriptor tables.
//!
//! `RLIMIT_NOFILE` bounds a descriptor *table*. Threads normally share one table. A thread that unshares it gets a copy with the full limit
//! for itself, so that one process can hold more sockets than the limit. In return, a descriptor number is valid in its own table only. See
//! [`make_private`] for the rules.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::check;

/// Returns the soft and the hard limit of open descriptors in a table, getrlimit(2).
///
/// # Errors
/// The error of getrlimit; none is expected.
pub fn limits() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live local struct of the type the call fills.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
///
/// # Errors
/// The error of setrlimit(2).
pub fn raise_limit() -> io::Result<u64> {
    let (soft, hard) = limits()?;
    if soft < hard {
        let limit = libc::rlimit { rlim_cur: hard, rlim_max: hard };
        // SAFETY: the pointer is to a live local struct.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(hard)
}

/// Gives the calling thread a descriptor table of its own (unshare(2), `CLONE_FILES`), and closes in it every copied
/// descriptor that is neither standard input, output or error nor in `keep`.
///
/// Callers must follow these rules, which the compiler does not check:
/// - Call it first thing in a new thread, before anything there owns a descriptor.
/// - No value that carries a descriptor made after this call may cross into or out of the thread; one made before may be
///   used in it only when its number is in `keep`, and must then stay open for the life of the process.
///
/// Closing the copies matters: a listener or an epoll instance that stays open in a forgotten copy continues to take connections.
///
/// # Errors
/// `ENOMEM`, or `ENOSYS` from close_range(2) before Linux 5.9.
pub fn make_private(keep: &[RawFd]) -> io::Result<()> {
    make_private_with(keep, &[]).map(drop)
}

/// Gives the calling thread a private table, and returns the table's copies of the descriptors in `own`. The copies belong to this thread:
/// closing one does not close the original. The originals must be open when this is called.
///
/// # Errors
/// Those of [`make_private`].
pub fn make_private_with(keep: &[RawFd], own: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    // SAFETY: unshare takes no pointers; it replaces this thread's table by a copy in which every number still means the
    // same file, so that no descriptor owned by this thread changes its meaning.
    check(unsafe { libc::unshare(libc::CLONE_FILES) })?;
    let both = keep.iter().chain(own);
    let mut kept: Vec<libc::c_uint> = both.filter_map(|&fd| libc::c_uint::try_from(fd).ok()).collect();
    kept.extend([0, 1, 2]);
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    close_range(from, libc::c_uint::MAX)?;
    // SAFETY: in this table, which no other thread has, nothing owns these entries: their owners' are in other tables.
    Ok(own.iter().map(|&fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect())
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    // SAFETY: the call takes no pointers. The numbers it closes are copies in this thread's own table that nothing in
    // this thread owns (the rules of `make_private`); their owners' entries in other tables stay open.
    let returned = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;
    use crate::sys::eventfd::EventFd;

    #[test]
    fn a_private_table_keeps_what_it_is_told_to_and_leaves_the_others_alone() {
        let kept = EventFd::new().unwrap();
        let dropped = EventFd::new().unwrap();
        let (kept_fd, dropped_fd) = (raw(&kept), raw(&dropped));
        let in_thread = std::thread::spawn(move || {
            make_private(&[kept_fd]).unwrap();
            (is_eventfd(kept_fd), is_eventfd(dropped_fd))
        });
        assert_eq!(in_thread.join().unwrap(), (true, false));
        kept.signal().unwrap();
        dropped.signal().unwrap();
    }

    #[test]
    fn a_copy_of_its_own_can_be_closed_in_a_private_table() {
        let event = EventFd::new().unwrap();
        let fd = raw(&event);
        let in_thread = std::thread::spawn(move || {
            let own = make_private_with(&[], &[fd]).unwrap();
            let before = is_eventfd(fd);
            drop(own);
            (before, is_eventfd(fd))
        });
        assert_eq!(in_thread.join().unwrap(), (true, false));
        event.signal().unwrap();
    }

    #[test]
    fn the_limit_can_be_raised_to_the_hard_one() {
        let raised = raise_limit().unwrap();
        assert_eq!(limits().unwrap(), (raised, raised));
    }

    fn is_eventfd(fd: RawFd) -> bool {
        let target = std::fs::read_link(format!("/proc/thread-self/fd/{fd}"));
        target.is_ok_and(|target| target.to_string_lossy().contains("eventfd"))
    }

    fn raw(event: &EventFd) -> RawFd {
        event.as_fd().as_raw_fd()
    }
}
