//! Standard error, for lines whose writer must not block.

use std::io;
use std::time::{Duration, Instant};

use libc::c_int;

use super::{check, check_len};

/// Writes to standard error as many bytes as it takes within `patience`. On a full pipe or a stopped terminal write(2) would block until
/// the reader reads. The bound holds as long as no other process writes to the same pipe: such a process may take the room that poll(2) has
/// reported.
///
/// # Errors
/// `TimedOut` when there was no room for all bytes in time; the errors of poll(2) and write(2).
pub fn write_within(bytes: &[u8], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    // A writable pipe has room for `PIPE_BUF` bytes (pipe(7)).
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

/// Waits up to `within` until a write would not block. Returns `true` then, and also where the write would fail.
fn has_room(within: Duration) -> io::Result<bool> {
    let mut polled = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    let millis = c_int::try_from(within.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the pointer is to one live entry.
    match check(unsafe { libc::poll(&raw mut polled, 1, millis) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        ready => Ok(ready? > 0),
    }
}
