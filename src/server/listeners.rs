//! The listeners of the workers: which thread opens them, and how they get into descriptor tables.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::config::Config;
use super::error::StartError;
use super::listen::{self, Listen, SocketFile};
use crate::sys::socket::Sharing;
use crate::worker::ListenerSlot;

/// Opens the Unix sockets among the addresses to listen on.
pub(super) fn open_unix(config: &Config) -> Result<(Vec<OwnedFd>, Vec<SocketFile>), StartError> {
    let paths = config.listen.iter().filter_map(|place| match place {
        Listen::Unix(path) => Some(path),
        Listen::Tcp(_) => None,
    });
    paths.map(|path| listen::open_unix(path, config.unix_mode, config.unix_group)).collect()
}

/// Returns the TCP addresses among the addresses to listen on.
pub(super) fn tcp_addresses(config: &Config) -> Vec<SocketAddr> {
    let addresses = config.listen.iter().filter_map(|place| match place {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) => None,
    });
    addresses.collect()
}

/// Unix sockets on their way to a worker's thread.
pub(super) enum Handed {
    /// Descriptors for this worker, in the table that all workers share: the worker owns them.
    Own(Vec<OwnedFd>),
    /// Numbers of the listeners of which this worker's private table gets copies. The originals stay open until all workers have their
    /// copies.
    Copies(Vec<RawFd>),
}

impl Handed {
    pub(super) fn new(private_tables: bool, listeners: &[OwnedFd]) -> Result<Self, StartError> {
        if private_tables {
            return Ok(Self::Copies(listeners.iter().map(AsRawFd::as_raw_fd).collect()));
        }
        let copies: io::Result<_> = listeners.iter().map(OwnedFd::try_clone).collect();
        copies.map(Self::Own).map_err(StartError::system("copy a listener"))
    }
}

/// Opens the TCP listeners of a worker. Returns all its listeners and the addresses of those for TCP. The listeners of the first worker
/// detect whether the addresses are free, and which port replaces port 0.
pub(super) fn open_listeners(
    places: &[SocketAddr],
    unix: Vec<OwnedFd>,
    is_first: bool,
    core: Option<usize>,
) -> Result<(Vec<ListenerSlot<OwnedFd>>, Vec<SocketAddr>), StartError> {
    let mut listeners = Vec::with_capacity(places.len() + unix.len());
    let mut found = Vec::with_capacity(places.len());
    for &place in places {
        let sharing = if is_first { Sharing::First } else { Sharing::Group };
        let (listener, address) = listen::open(place, sharing, core)?;
        found.push(address);
        listeners.push(ListenerSlot::new(listener, Some(address)));
    }
    listeners.extend(unix.into_iter().map(|listener| ListenerSlot::new(listener, None)));
    Ok((listeners, found))
}
