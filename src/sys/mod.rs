//! The only module that may have `unsafe` code: system calls without a safe wrapper elsewhere, each behind a small safe function.
//!
//! Nothing here depends on WebSockets, workers or policy. The module is public for the project's own load generator, which makes the same
//! calls as a client. It is not part of the library's stable interface.

mod address;
pub mod claim;
#[cfg(feature = "guard")]
pub mod counting;
pub mod epoll;
pub mod eventfd;
pub mod fdtable;
pub mod memory;
pub mod options;
pub mod process;
pub mod signals;
pub mod socket;
#[cfg(feature = "serve")]
pub mod stderr;
pub mod unix;
#[cfg(feature = "serve")]
pub mod watch;

use std::io;

/// Turns the `-1` of a system call into the error in `errno`, and anything else into `Ok`.
fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Turns the byte count that a call returns into a `Result`. The count is a `ssize_t`, or a `c_long` where the call is made by its number
/// with syscall(2).
fn check_len(returned: impl TryInto<usize>) -> io::Result<usize> {
    returned.try_into().map_err(|_| io::Error::last_os_error())
}
