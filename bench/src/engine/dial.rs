//! The first step of every connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use throng::sys::socket;

/// Begins to connect, and has the socket's events come with a token. An error comes with what failed.
pub(crate) fn dial(
    registry: &Registry,
    token: Token,
    from: Option<SocketAddr>,
    to: SocketAddr,
) -> Result<OwnedFd, (&'static str, io::Error)> {
    let fd = socket::connect_tcp(from, to).map_err(|error| ("connect", error))?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    // Registered after connect(2) has begun: before it, epoll would report the end of an unconnected socket.
    let registered = registry.register(&mut SourceFd(&fd.as_raw_fd()), token, interest);
    registered.map_err(|error| ("register", error))?;
    Ok(fd)
}
