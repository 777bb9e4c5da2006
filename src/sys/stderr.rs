//! Standard error, for lines that must not hold up their writer.

use std::io;
use std::time::{Duration, Instant};

use libc::c_int;

use super::{check, check_len};

/// Writes to standard error as much as there is room for within `patience`. On a full pipe or a stopped terminal write(2) would wait for
/// as long as the reader does not read. The bound holds while no other process writes to the same pipe: it may take the room that
/// poll(2) has reported.
///
/// # Errors
/// `TimedOut` when the rest has found no room; what poll(2) and write(2) say.
pub fn write_within(bytes: &[u8], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    // A pipe that can be written to has room for so many (pipe(7)).
    for part in bytes.chunks(libc::PIPE_BUF) {
        let mut rest = part;
        while !rest.is_empty() {
            if !has_room(end.saturating_duration_since(Instant::now()))? {
                if Instant::now() < end {
                    continue;
                }
                return Err(io::ErrorKind::TimedOut.into());
            }
            // SAFETY: the pointer and length are those of a live slice.
            let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
            match check_len(written) {
                Ok(len) => rest = &rest[len..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Whether a write would not wait, now or within that time; also where it would fail.
fn has_room(within: Duration) -> io::Result<bool> {
    let mut polled = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    let millis = c_int::try_from(within.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the pointer is to one live entry.
    match check(unsafe { libc::poll(&raw mut polled, 1, millis) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        ready => Ok(ready? > 0),
    }
}
