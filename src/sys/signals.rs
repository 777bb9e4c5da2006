//! Signals are the main thread's business; workers block them all.

use std::io;
use std::mem::MaybeUninit;

/// Blocks every signal that can be blocked in the calling thread, so that the process's signals are delivered to a thread
/// that expects them. Threads started from here inherit the mask (pthread_sigmask(3)).
///
/// # Errors
/// None is expected: the arguments are always valid.
pub fn block_all() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to live storage of the right type, which the call fills.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: the set was filled above, and a null old set is allowed.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
