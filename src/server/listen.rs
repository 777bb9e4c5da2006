//! Where a server listens.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, fs, io};

use super::error::StartError;
use crate::budget::LISTEN_BACKLOG;
use crate::sys::socket::{self, Sharing};
use crate::worker::listen_for_clients;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP address. Every worker listens on it, and the kernel spreads connections over them (`SO_REUSEPORT`). Port 0 is any
    /// free one. An IPv6 address takes IPv6 only: give `[::]:80` and `0.0.0.0:80` for both.
    Tcp(SocketAddr),
    /// A Unix socket, whose connections are all held by the first worker. The file is made at the start and removed at the
    /// end; one that a dead server has left is replaced.
    Unix(PathBuf),
}

/// A listener and what the outside knows of it.
#[derive(Debug)]
pub(super) enum Opened {
    Tcp(OwnedFd, SocketAddr),
    Unix(OwnedFd, SocketFile),
}

/// Opens a listener, for connections whose first packet is dealt with on that core if one is given.
pub(super) fn open(place: &Listen, core: Option<usize>) -> io::Result<Opened> {
    match place {
        Listen::Tcp(address) => {
            let listener = listen_for_clients(*address, core)?;
            let address = socket::local_address(listener.as_fd())?;
            Ok(Opened::Tcp(listener, address))
        }
        Listen::Unix(path) => {
            remove_stale_socket(path)?;
            let listener = socket::listen_unix(path, LISTEN_BACKLOG)?;
            Ok(Opened::Unix(listener, SocketFile::of(path)?))
        }
    }
}

/// The file of a Unix socket of ours, removed when this is dropped. It carries no descriptor.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode, and time of the making in seconds and nanoseconds, because inodes are used again.
type Identity = (u64, u64, i64, i64);

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: Self::identity(path)? })
    }

    fn identity(path: &Path) -> io::Result<Identity> {
        let found = fs::symlink_metadata(path)?;
        Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // While we drained, nobody listened there, and another server may have taken the path over: its file stays.
        if Self::identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Fails when another program listens on one of the TCP addresses. `SO_REUSEPORT` alone would not tell: two servers would each
/// get a part of the connections.
pub(super) fn find_others(places: &[Listen]) -> Result<(), StartError> {
    for place in places {
        if let Listen::Tcp(address) = place {
            socket::listen_tcp(*address, Sharing::Exclusive, 1)
                .map_err(|error| StartError::Listen { listen: place.clone(), error })?;
        }
    }
    Ok(())
}

/// Removes the socket file of a server that died; one that answers, or a file of another kind, is left alone.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let is_dead = || {
        let connected = UnixStream::connect(path);
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if is_socket && is_dead() { fs::remove_file(path) } else { Ok(()) }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Listen {
    type Err = String;

    /// Reads `127.0.0.1:9001`, `[::1]:9001` or `unix:/run/throng.sock`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("there is no path behind `unix:`".into())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!(
                "`{text}` is no address: write IP:PORT, [IPv6]:PORT or unix:PATH (names are not looked up)"
            )
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_is_written() {
        for text in ["127.0.0.1:9001", "[::1]:0", "unix:/run/throng.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "localhost:80", "127.0.0.1", "unix:", "9001"] {
            text.parse::<Listen>().unwrap_err();
        }
    }
}
