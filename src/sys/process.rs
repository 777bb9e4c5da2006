//! Child processes that must not outlive their parent.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use super::check;

/// Starts a child that the kernel kills when the calling *thread* ends, however it ends (`PR_SET_PDEATHSIG` in
/// pr_set_pdeathsig(2const)). Call it from the main thread, which ends with the process.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn_tied(command: &mut Command) -> io::Result<Child> {
    let parent = std::process::id();
    let tie = move || {
        // SAFETY: this prctl takes a signal number and no pointers.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
        if std::os::unix::process::parent_id() != parent {
            // The parent died before the call above, which then refers to the end of another process.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(tie) };
    command.spawn()
}

/// Asks a child to end (SIGTERM). Nothing happens when it has ended already.
///
/// # Errors
/// `EPERM` for a child that has changed its user.
pub fn terminate(child: &mut Child) -> io::Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    let pid = libc::pid_t::try_from(child.id()).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: kill takes no pointers. The child has not been waited for, so no other process has its number.
    check(unsafe { libc::kill(pid, libc::SIGTERM) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_child_ends_when_it_is_asked_to() {
        let mut child = spawn_tied(Command::new("sleep").arg("60")).unwrap();
        terminate(&mut child).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        terminate(&mut child).unwrap();
    }

    #[test]
    fn a_child_dies_with_the_thread_that_started_it() {
        let started = std::thread::spawn(|| spawn_tied(Command::new("sleep").arg("60")).unwrap());
        let mut child = started.join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
