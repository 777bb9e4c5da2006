//! The only room that may hold `unsafe`: system calls with no safe wrapper elsewhere, each behind a small safe function.
//!
//! Nothing here knows WebSockets, workers or policy. The module is public for the project's own load generator, which
//! needs the same calls from the other side; it is no part of the library's stable interface.

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

/// Turns the result of a call that returns a byte count into a `Result`: a `ssize_t`, or a `c_long` where they are made by their number.
fn check_len(returned: impl TryInto<usize>) -> io::Result<usize> {
    returned.try_into().map_err(|_| io::Error::last_os_error())
}
