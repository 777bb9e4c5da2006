//! Signals of the program: the main thread handles them, and workers block all of them.
//!
//! The handler records the signal in atomics and writes to an eventfd, both of which are allowed in a handler (signal-safety(7)).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use libc::c_int;

use super::check;
use super::eventfd::EventFd;

/// The least time between a first signal to end and a second one, which cuts the wait short. An earlier one counts as part of the first:
/// timeout(1) signals its child and then their group.
pub const APART: Duration = Duration::from_secs(1);

/// Signals that ask the program to end, and their names.
const ENDS: [(c_int, &str); 3] =
    [(libc::SIGTERM, "SIGTERM"), (libc::SIGINT, "SIGINT"), (libc::SIGQUIT, "SIGQUIT")];
/// Signals that would end the program by default, and have no effect on it.
const OTHERS: [(c_int, &str); 3] =
    [(libc::SIGHUP, "SIGHUP"), (libc::SIGUSR1, "SIGUSR1"), (libc::SIGUSR2, "SIGUSR2")];

/// The eventfd's number, for the handler; -1 before the eventfd exists.
static EVENT: AtomicI32 = AtomicI32::new(-1);
/// Whether the program has begun work that must end in order.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
/// When the first signal to end arrived, in nanoseconds of the monotonic clock; 0 before one has arrived.
static FIRST_AT: AtomicU64 = AtomicU64::new(0);
/// `END` is the first signal to end, and `CUT` the first one that arrived [`APART`] or more later; 0 before one has arrived.
static END: AtomicI32 = AtomicI32::new(0);
static CUT: AtomicI32 = AtomicI32::new(0);
/// A bit for each of the other signals that have arrived.
static CAME: AtomicU32 = AtomicU32::new(0);

/// The program's signals, taken over for the life of the process: none of them ends the process by default any more.
#[derive(Debug)]
pub struct Signals {
    /// The eventfd that the handler writes to. It is never closed.
    event: EventFd,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 and SIGUSR2, whatever their dispositions were when the process started. Until
    /// [`begin`](Self::begin) is called, a signal to end ends the process with exit code 0. From then on it is only recorded.
    ///
    /// All threads share the handler, whose descriptor is in the table of the thread that calls this function. A thread must [block all
    /// signals](block_all) before it gets a private table.
    ///
    /// # Errors
    /// `EMFILE`; `EEXIST` when the signals have been taken over before.
    pub fn take_over() -> io::Result<Self> {
        let event = EventFd::new()?;
        let fd = event.as_fd().as_raw_fd();
        if EVENT.compare_exchange(-1, fd, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        for (signal, _) in ENDS.into_iter().chain(OTHERS) {
            handle(signal)?;
        }
        Ok(Self { event })
    }

    /// Makes the handler record signals to end instead of ending the process: from now on the program must end in order.
    pub fn begin(&self) {
        HAS_BEGUN.store(true, Ordering::Release);
    }

    /// Returns the name of the signal that asked the program to end; `None` before one has arrived.
    #[must_use]
    pub fn end(&self) -> Option<&'static str> {
        name(&ENDS, END.load(Ordering::Acquire))
    }

    /// Returns the name of the signal that asked again, [`APART`] or more after the first; `None` before one has arrived.
    #[must_use]
    pub fn cut(&self) -> Option<&'static str> {
        name(&ENDS, CUT.load(Ordering::Acquire))
    }

    /// Returns the names of the signals without an effect that have arrived since the last call.
    pub fn take_others(&self) -> impl Iterator<Item = &'static str> {
        let came = CAME.swap(0, Ordering::AcqRel);
        OTHERS.into_iter().filter(move |(signal, _)| came & bit(*signal) != 0).map(|(_, name)| name)
    }
}

impl AsFd for Signals {
    /// Returns the eventfd. Every signal is an edge for an epoll instance that watches it for reading. Callers must not read from it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

fn name(signals: &[(c_int, &'static str)], number: c_int) -> Option<&'static str> {
    signals.iter().find(|(signal, _)| *signal == number).map(|(_, name)| *name)
}

const fn bit(signal: c_int) -> u32 {
    1_u32.wrapping_shl(signal.cast_unsigned())
}

/// Installs the handler for a signal. System calls that the handler interrupts are restarted (`SA_RESTART`).
fn handle(signal: c_int) -> io::Result<()> {
    // SAFETY: an all-zero sigaction is a valid one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as extern "C" fn(c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the pointer is to a live set.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the pointer is to a live struct whose handler is a function of the right type that makes only calls which are safe in a
    // handler; a null old action is allowed.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }).map(drop)
}

/// Handles a signal.
extern "C" fn note(signal: c_int) {
    let is_end = ENDS.iter().any(|(end, _)| *end == signal);
    if is_end && !HAS_BEGUN.load(Ordering::Acquire) {
        // SAFETY: the call ends the process without running any of its code, which a handler may do.
        unsafe { libc::_exit(0) };
    }
    if is_end {
        note_end(signal, monotonic());
    } else {
        CAME.fetch_or(bit(signal), Ordering::AcqRel);
    }
    let one = 1_u64.to_ne_bytes();
    // SAFETY: errno belongs to this thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the pointer is to this thread's errno, which is alive.
    let before = unsafe { *errno };
    // SAFETY: the pointer and length are those of a live local array. The write fails only when the counter is full, or in the moment
    // before the descriptor exists. That does not matter: the recorded signals are read then, too.
    unsafe { libc::write(EVENT.load(Ordering::Acquire), one.as_ptr().cast(), one.len()) };
    // SAFETY: the pointer is to this thread's errno, which is alive. The interrupted code finds errno unchanged.
    unsafe { *errno = before };
}

fn note_end(signal: c_int, now: u64) {
    match FIRST_AT.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => END.store(signal, Ordering::Release),
        Err(first) if u128::from(now.saturating_sub(first)) >= APART.as_nanos() => {
            let _ = CUT.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Acquire);
        }
        Err(_) => {}
    }
}

/// Returns the time of the monotonic clock in nanoseconds; never 0.
fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live local struct; the call is safe in a handler (signal-safety(7)).
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    (seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)).max(1)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// This is one test because signals belong to the whole process.
    #[test]
    fn signals_are_noted_and_only_one_that_comes_apart_cuts() {
        let signals = Signals::take_over().unwrap();
        assert_eq!(Signals::take_over().unwrap_err().raw_os_error(), Some(libc::EEXIST));
        signals.begin();
        for signal in [libc::SIGHUP, libc::SIGUSR2, libc::SIGUSR2] {
            // SAFETY: raise takes no pointers, and the signal has a handler.
            assert_eq!(unsafe { libc::raise(signal) }, 0);
        }
        assert_eq!(signals.take_others().collect::<Vec<_>>(), ["SIGHUP", "SIGUSR2"]);
        assert_eq!((signals.take_others().next(), signals.end()), (None, None));
        // SAFETY: as above.
        assert_eq!(unsafe { libc::raise(libc::SIGQUIT) }, 0);
        assert_eq!((signals.end(), signals.cut()), (Some("SIGQUIT"), None));
        let (first, apart) = (FIRST_AT.load(Ordering::Acquire), u64::try_from(APART.as_nanos()).unwrap());
        note_end(libc::SIGTERM, first + apart - 1);
        assert_eq!((signals.end(), signals.cut()), (Some("SIGQUIT"), None));
        note_end(libc::SIGTERM, first + apart);
        note_end(libc::SIGINT, first + 2 * apart);
        assert_eq!((signals.end(), signals.cut()), (Some("SIGQUIT"), Some("SIGTERM")));
    }
}
