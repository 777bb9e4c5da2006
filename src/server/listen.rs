//! Addresses that a server listens on.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, fs, io};

use super::error::StartError;
use crate::budget::{CLAIM_PATIENCE, LISTEN_BACKLOG};
use crate::sys::claim::Claim;
use crate::sys::socket::{self, Sharing};
use crate::sys::unix;
use crate::worker::listen_for_clients;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP address. Every worker listens on it, and the kernel spreads connections over the workers (`SO_REUSEPORT`). Port 0 means any
    /// free port. An IPv6 address takes IPv6 connections only: give `[::]:80` and `0.0.0.0:80` for both.
    Tcp(SocketAddr),
    /// A Unix socket. The workers take its connections in turn. The server makes the socket's file at the start and removes it at the end.
    /// It replaces a file that a dead server has left. [`Config::unix_mode`](super::Config::unix_mode) sets which processes may connect.
    Unix(PathBuf),
}

impl Listen {
    /// Returns `true` if one address contains the other. Port 0 overlaps no address, because it is another port each time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one), Self::Unix(other)) => one == other,
            (Self::Tcp(one), Self::Tcp(other)) => {
                let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
                let same_family = one.is_ipv4() == other.is_ipv4();
                one.port() == other.port()
                    && one.port() != 0
                    && same_family
                    && (is_any || one.ip() == other.ip())
            }
            _ => false,
        }
    }
}

/// Claims all addresses. When several servers start on an address at once, one of them listens and the others fail because it listens. All
/// servers claim in the same order, which prevents deadlocks. Without a claim the start continues: the kernel still lets at most one server
/// listen.
pub(super) fn claim(places: &[Listen]) -> Vec<Claim> {
    let mut ports = BTreeSet::new();
    let mut directories = BTreeSet::new();
    for place in places {
        match place {
            Listen::Tcp(address) if address.port() != 0 => drop(ports.insert(address.port())),
            Listen::Tcp(_) => {}
            Listen::Unix(path) => drop(directories.insert(directory_of(path))),
        }
    }
    let warn = |error: &io::Error, what: &dyn fmt::Display| {
        tracing::warn!(%error, "cannot see to it that no other server starts at {what} in this moment");
    };
    let ports = ports.into_iter().map(|port| {
        Claim::port(port, CLAIM_PATIENCE).inspect_err(|error| warn(error, &format_args!("port {port}")))
    });
    let directories = directories.into_iter().map(|path| {
        Claim::directory(&path, CLAIM_PATIENCE).inspect_err(|error| warn(error, &path.display()))
    });
    ports.chain(directories).filter_map(Result::ok).collect()
}

/// Returns the directory of a path, by the canonical name that all processes use in claims.
fn directory_of(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}

/// Opens a TCP listener in the calling thread. If `core` is given, the listener prefers connections whose first packet the kernel handles
/// on that core. The server's first listener on an address detects whether another program listens there.
pub(super) fn open(
    address: SocketAddr,
    sharing: Sharing,
    core: Option<usize>,
) -> Result<(OwnedFd, SocketAddr), StartError> {
    let opened = listen_for_clients(address, sharing, core).and_then(|listener| {
        let found = socket::local_address(listener.as_fd())?;
        Ok((listener, found))
    });
    opened.map_err(|error| StartError::Listen { listen: Listen::Tcp(address), error })
}

/// Opens a Unix socket that listens. Processes that may write to its file may connect.
pub(super) fn open_unix(
    path: &Path,
    mode: u32,
    group: Option<u32>,
) -> Result<(OwnedFd, SocketFile), StartError> {
    let open = || {
        remove_stale_socket(path)?;
        let listener = unix::bind(path)?;
        let file = SocketFile::of(path)?;
        unix::restrict(path, mode, group).map_err(|error| match group {
            Some(group) => io::Error::other(format!("cannot give it to the group {group}: {error}")),
            None => error,
        })?;
        socket::listen(listener.as_fd(), LISTEN_BACKLOG)?;
        Ok((listener, file))
    };
    open().map_err(|error| StartError::Listen { listen: Listen::Unix(path.to_owned()), error })
}

/// The file of a Unix socket of this server, which is removed when this value is dropped. The value owns no descriptor.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode, and modification time in seconds and nanoseconds: inode numbers alone are reused.
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
        // While this server drained, its socket did not listen, and another server may have taken over the path: that server's file stays.
        if Self::identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket file of a server that died. The file of a live server, and a file of another kind, stay.
fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && unix::is_deserted(path) { fs::remove_file(path) } else { Ok(()) }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Listen {
    type Err = String;

    /// Parses an address such as `127.0.0.1:9001`, `[::1]:9001` or `unix:/run/throng.sock`. Host names are not resolved.
    ///
    /// # Errors
    /// A sentence that says what to write.
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

    #[test]
    fn places_that_contain_each_other_are_found() {
        let place = |text: &str| text.parse::<Listen>().unwrap();
        for (one, other, is_so) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
            ("unix:/a", "unix:/a", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "[::]:80", false),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", "127.0.0.1:80", false),
        ] {
            assert_eq!(place(one).overlaps(&place(other)), is_so, "{one} and {other}");
            assert_eq!(place(other).overlaps(&place(one)), is_so, "{one} and {other}");
        }
    }
}
