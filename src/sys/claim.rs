//! Claims: one process at a time may start to listen on a port or a path.
//!
//! Two processes that begin to listen on the same place in the same moment can find each other in the way, so that neither listens, and
//! looking for a socket's owner before its file is replaced takes two steps. A server that starts holds a claim meanwhile. The claim
//! does not say which process listens: the kernel alone knows that.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often another process's claim is looked at again.
const PAUSE: Duration = Duration::from_millis(2);

/// A claim, until it is dropped or the process ends: a socket bound to a name that no other can have meanwhile, or a directory with a lock,
/// flock(2).
#[derive(Debug)]
#[must_use]
pub struct Claim {
    _held: OwnedFd,
}

impl Claim {
    /// Claims a TCP port of this network namespace, by an abstract name (unix(7)), which is the namespace's as well and the same for all
    /// users. It waits for as long as `patience` while another process has the claim.
    ///
    /// # Errors
    /// `WouldBlock` when the other process keeps it for longer; what bind(2) says where such names are not allowed.
    pub fn port(port: u16, patience: Duration) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(format!("throng/starts/{port}"))?;
        wait(patience, || match UnixDatagram::bind_addr(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(io::ErrorKind::WouldBlock.into()),
            bound => Ok(Self { _held: bound?.into() }),
        })
    }

    /// Claims the names in a directory. It waits as above.
    ///
    /// # Errors
    /// `WouldBlock` when another process keeps it for longer; what open(2) and flock(2) say.
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

    /// That a claim is one process's, or thread's, at a time, and free as soon as it is dropped.
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
