//! Claims: one process at a time may start to listen on a port or a path.
//!
//! Two processes that begin to listen on the same place at the same moment can block each other, so that neither listens. Checking for a
//! socket's owner and then replacing the socket's file are two steps, which another process could come between. A server that starts
//! therefore holds a claim. The claim does not say which process listens: only the kernel knows that.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Pause between two attempts while another process holds the claim.
const PAUSE: Duration = Duration::from_millis(2);

/// A claim. It is held until it is dropped or the process ends. It is a socket bound to a name that no other socket can have at the same
/// time, or a directory with a lock, flock(2).
#[derive(Debug)]
#[must_use]
pub struct Claim {
    _held: OwnedFd,
}

impl Claim {
    /// Claims a TCP port of this network namespace, by an abstract name (unix(7)), which also belongs to the namespace and is the same for
    /// all users. Waits up to `patience` while another process has the claim.
    ///
    /// # Errors
    /// `WouldBlock` when another process keeps the claim for longer; the error of bind(2) where such names are not allowed.
    pub fn port(port: u16, patience: Duration) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(format!("throng/starts/{port}"))?;
        wait(patience, || match UnixDatagram::bind_addr(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(io::ErrorKind::WouldBlock.into()),
            bound => Ok(Self { _held: bound?.into() }),
        })
    }

    /// Claims the names in a directory. Waits up to `patience` while another process has the claim.
    ///
    /// # Errors
    /// `WouldBlock` when another process keeps the claim for longer; the errors of open(2) and flock(2).
    pub fn directory(path: &Path, patience: Duration) -> io::Result<Self> {
        let directory = File::open(path)?;
        wait(patience, || match directory.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        })?;
        Ok(Self { _held: directory.into() })
    }
}

fn wait<T>(patience: Duration, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < patience => {
                sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    /// Checks that one process or thread at a time has a claim, and that the claim is free as soon as it is dropped.
    fn is_exclusive(claim: impl Fn(Duration) -> io::Result<Claim> + Sync) {
        let first = claim(SHORT).unwrap();
        assert_eq!(claim(SHORT).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| claim(Duration::from_secs(60)));
            drop(first);
            drop(waiting.join().unwrap().unwrap());
        });
        drop(claim(SHORT).unwrap());
    }

    #[test]
    fn a_port_is_claimed_once() {
        // No port of a server in a test.
        is_exclusive(|patience| Claim::port(9, patience));
        let (_one, _other) = (Claim::port(9, SHORT).unwrap(), Claim::port(10, SHORT).unwrap());
    }

    #[test]
    fn a_directory_is_claimed_once() {
        let path = std::env::temp_dir().join(format!("throng-{}-claimed", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        is_exclusive(|patience| Claim::directory(&path, patience));
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(Claim::directory(&path, SHORT).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
