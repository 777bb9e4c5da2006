//! Functions that make, listen on, connect, read and write stream sockets. All sockets are non-blocking and close-on-exec.

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void};

use super::address::{encode, read_address};
use super::options::{get_int, set_flag, set_nodelay, set_option};
use super::{check, check_len};

/// A null pointer as an argument of a system call.
const NONE: *const c_void = std::ptr::null();

/// Whether other sockets may listen on the same address and port, `SO_REUSEPORT` in socket(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The address belongs to this socket alone: `EADDRINUSE` when another socket listens on it.
    Exclusive,
    /// Connections are spread over all sockets that listen on the address with this option.
    Group,
    /// The address belongs to this socket alone until it listens: `EADDRINUSE` as with [`Exclusive`](Self::Exclusive). Then other sockets
    /// may join it as a [`Group`](Self::Group). So when two processes begin with this variant, one of them fails, whatever others do.
    First,
}

/// Makes a TCP listener.
///
/// `TCP_NODELAY` is set on it because Linux copies that option to each accepted socket (`inet_csk_clone_lock` copies the whole socket),
/// which saves a system call a connection. IPv6 listeners take IPv6 only (`IPV6_V6ONLY`), so that `0.0.0.0:80` and `[::]:80` can coexist.
///
/// # Errors
/// `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` (ports below 1024), `EMFILE`.
pub fn listen_tcp(address: SocketAddr, sharing: Sharing, backlog: u16) -> io::Result<OwnedFd> {
    let fd = bind_tcp(address, sharing)?;
    listen(fd.as_fd(), backlog)?;
    if sharing == Sharing::First {
        // The kernel detects conflicts by the options that the existing sockets have now, not by those that they were bound with
        // (`inet_csk_bind_conflict` in net/ipv4/inet_connection_sock.c).
        set_flag(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    Ok(fd)
}

/// Makes a TCP socket that is bound but does not listen. It reserves a port for later listeners with the same address and
/// [`Sharing::Group`], and takes no connections.
///
/// # Errors
/// Those of [`listen_tcp`].
pub fn bind_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<OwnedFd> {
    let fd = tcp_socket(&address)?;
    set_flag(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if sharing == Sharing::Group {
        set_flag(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    if address.is_ipv6() {
        set_flag(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    }
    set_nodelay(fd.as_fd())?;
    bind(fd.as_fd(), &address)?;
    Ok(fd)
}

/// Makes a bound socket listen, or changes how many connections may wait to be accepted (listen(2)).
///
/// # Errors
/// `EADDRINUSE` when another socket listens there.
pub fn listen(fd: BorrowedFd<'_>, backlog: u16) -> io::Result<()> {
    // SAFETY: listen takes no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), c_int::from(backlog)) }).map(drop)
}

/// Begins to connect to `to`, from the address `from` if it is given (its port may be 0), and returns at once.
///
/// The source port is chosen at connect time, by source *and* destination (`IP_BIND_ADDRESS_NO_PORT` in ip(7)), so that one
/// source address can have as many connections to each destination as there are ports.
///
/// # Errors
/// `EADDRNOTAVAIL` when no source port is left, `EMFILE`, `ENETUNREACH`.
pub fn connect_tcp(from: Option<SocketAddr>, to: SocketAddr) -> io::Result<OwnedFd> {
    let fd = tcp_socket(&to)?;
    if let Some(from) = from {
        set_flag(fd.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)?;
        bind(fd.as_fd(), &from)?;
    }
    set_nodelay(fd.as_fd())?;
    let (address, len) = encode(&to);
    // SAFETY: the pointer and length are those of a live socket address.
    match check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), len) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(fd),
    }
}

/// Accepts one connection, non-blocking and close-on-exec, without asking for the peer's address (accept4(2)).
///
/// # Errors
/// `EAGAIN` when none waits, `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, or an error of the connection itself such as
/// `ECONNABORTED`.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null pointers are allowed where the address is not needed.
    let fd = check(unsafe {
        libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags)
    })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// Reading and writing use syscall(2) instead of the C library's functions, which are cancellation points (pthreads(7)): in a process with
// several threads glibc enters and leaves the cancellable state with a locked instruction each. That was 20 ns of a call's 160.

/// Reads bytes that have arrived, up to the buffer's length, and returns their number; 0 is the end of the stream (recv(2)).
///
/// # Errors
/// `EAGAIN` when no bytes have arrived; `ECONNRESET` or a similar error when the connection is lost.
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (pointer, len) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the pointer and length are those of a live, exclusively borrowed slice; null is allowed where the address is not needed.
    check_len(unsafe { libc::syscall(libc::SYS_recvfrom, raw(fd), pointer, len, 0_usize, NONE, NONE) })
}

/// Returns the number of bytes that have arrived and are not read yet (`SIOCINQ`, tcp(7), `FIONREAD`).
///
/// # Errors
/// None for a connection.
pub fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is to a live local of the type that the call writes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// How much of a connection its peer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEnd {
    /// Nothing: the peer may send and receive.
    Nothing,
    /// The peer sends nothing more. It may still receive.
    WritingHalf,
    /// The connection was reset, or both halves have ended.
    Connection,
}

/// Returns how much of a connection its peer has ended (poll(2)), without reading what has arrived before the end.
///
/// # Errors
/// `ENOMEM`.
pub fn peer_end(fd: BorrowedFd<'_>) -> io::Result<PeerEnd> {
    let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: the pointer is to one live local, and the count is 1. With the timeout 0 the call does not wait.
    check(unsafe { libc::poll(&raw mut polled, 1, 0) })?;
    Ok(if polled.revents & (libc::POLLHUP | libc::POLLERR) != 0 {
        PeerEnd::Connection
    } else if polled.revents & libc::POLLRDHUP != 0 {
        PeerEnd::WritingHalf
    } else {
        PeerEnd::Nothing
    })
}

/// Reads like [`recv`], in one call into two places: first it appends at most `most` bytes to `first`, and then it fills `rest`. Returns
/// the total number of bytes (recvmsg(2)).
///
/// # Errors
/// Those of [`recv`]. On an error `first` is unchanged.
pub fn recv_append(
    fd: BorrowedFd<'_>,
    first: &mut Vec<u8>,
    most: usize,
    rest: &mut [u8],
) -> io::Result<usize> {
    let before = first.len();
    first.reserve(most);
    let spare = &mut first.spare_capacity_mut()[..most];
    let mut pieces = [
        libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() },
        libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() },
    ];
    // SAFETY: an all-zero msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = pieces.as_mut_ptr();
    message.msg_iovlen = pieces.len();
    // SAFETY: both pieces are live, exclusively borrowed memory of the lengths given, and outlive the call.
    let len = check_len(unsafe { libc::syscall(libc::SYS_recvmsg, raw(fd), &raw mut message, 0_usize) })?;
    // SAFETY: the kernel fills the pieces in order, so it has written that many bytes after `before`, within the capacity.
    unsafe { first.set_len(before + len.min(most)) };
    Ok(len)
}

/// Writes as many bytes as the kernel takes and returns their number. A lost peer is the error `EPIPE`, never a signal (send(2)).
///
/// # Errors
/// `EAGAIN` when the send buffer is full, `EPIPE`, `ECONNRESET`.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let (pointer, len, flags) = (bytes.as_ptr(), bytes.len(), libc::c_long::from(libc::MSG_NOSIGNAL));
    // SAFETY: the pointer and length are those of a live slice; null stands for the address that the socket is connected to.
    check_len(unsafe { libc::syscall(libc::SYS_sendto, raw(fd), pointer, len, flags, NONE, 0_usize) })
}

/// Writes like [`send`], from several slices in one call (sendmsg(2)); at most `IOV_MAX` (1,024) of them.
///
/// # Errors
/// Those of [`send`].
pub fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: an all-zero msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len();
    let flags = libc::c_long::from(libc::MSG_NOSIGNAL);
    // SAFETY: IoSlice has the layout of iovec (its documented guarantee), the slices outlive the call, and sendmsg
    // does not write through msg_iov.
    check_len(unsafe { libc::syscall(libc::SYS_sendmsg, raw(fd), &raw const message, flags) })
}

/// Ends the writing half: the peer reads everything sent so far, then the end of the stream (shutdown(2)).
///
/// # Errors
/// `ENOTCONN` when the connection is gone.
pub fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: shutdown takes no pointers.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// Takes the pending error of a socket, such as the result of a connect (`SO_ERROR` in socket(7)).
///
/// # Errors
/// The pending error, if there is one.
pub fn take_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    match get_int(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Makes [`OwnedFd`] reset its connection when it is closed instead of ending it in order (`SO_LINGER` of zero seconds in socket(7)). For
/// tests and load generators that imitate misbehaving clients.
///
/// # Errors
/// `ENOTSOCK`.
pub fn reset_on_close(fd: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    set_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger)
}

/// Returns the address that a socket is bound to (getsockname(2)).
///
/// # Errors
/// `EAFNOSUPPORT` for a Unix socket.
pub fn local_address(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    read_address(|address, len| {
        // SAFETY: the pointers are to live storage of the given length.
        unsafe { libc::getsockname(fd.as_raw_fd(), address, len) }
    })
}

/// Returns the address of the peer (getpeername(2)).
///
/// # Errors
/// `ENOTCONN`; `EAFNOSUPPORT` for a Unix socket.
pub fn peer_address(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    read_address(|address, len| {
        // SAFETY: the pointers are to live storage of the given length.
        unsafe { libc::getpeername(fd.as_raw_fd(), address, len) }
    })
}

/// Returns a descriptor's number in the width of a system call's argument.
fn raw(fd: BorrowedFd<'_>) -> libc::c_long {
    fd.as_raw_fd().into()
}

fn tcp_socket(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind(fd: BorrowedFd<'_>, address: &SocketAddr) -> io::Result<()> {
    let (address, len) = encode(address);
    // SAFETY: the pointer and length are those of a live socket address.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) }).map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    pub(in crate::sys) const ANY_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

    /// Polls a non-blocking call for at most two seconds.
    pub(in crate::sys) fn eventually<T>(mut call: impl FnMut() -> io::Result<T>) -> T {
        for _ in 0..2_000 {
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                other => return other.unwrap(),
            }
        }
        panic!("would still block after two seconds");
    }

    #[test]
    fn accepted_sockets_inherit_nodelay_from_the_listener() {
        let listener = listen_tcp(ANY_PORT, Sharing::Group, 16).unwrap();
        let client = connect_tcp(None, local_address(listener.as_fd()).unwrap()).unwrap();
        let server = eventually(|| accept(listener.as_fd()));
        assert_ne!(get_int(server.as_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY).unwrap(), 0);
        assert_eq!(peer_address(server.as_fd()).unwrap(), local_address(client.as_fd()).unwrap());
    }

    #[test]
    fn bytes_pass_in_both_forms_and_the_end_is_seen() {
        let listener = listen_tcp(ANY_PORT, Sharing::Group, 16).unwrap();
        let from = SocketAddr::from(([127, 0, 0, 2], 0));
        let client = connect_tcp(Some(from), local_address(listener.as_fd()).unwrap()).unwrap();
        let server = eventually(|| accept(listener.as_fd()));
        assert_eq!(peer_address(server.as_fd()).unwrap().ip(), from.ip());
        assert_eq!(send(client.as_fd(), b"ab").unwrap(), 2);
        assert_eq!(send_vectored(client.as_fd(), &[IoSlice::new(b"c"), IoSlice::new(b"de")]).unwrap(), 3);
        shutdown_write(client.as_fd()).unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 16];
        while let n @ 1.. = eventually(|| recv(server.as_fd(), &mut buffer)) {
            got.extend_from_slice(&buffer[..n]);
        }
        assert_eq!(got, b"abcde");
    }

    #[test]
    fn what_is_appended_goes_on_in_the_rest() {
        let listener = listen_tcp(ANY_PORT, Sharing::Group, 16).unwrap();
        let client = connect_tcp(None, local_address(listener.as_fd()).unwrap()).unwrap();
        let server = eventually(|| accept(listener.as_fd()));
        for (sent, most, appended, rest) in [
            (&b"abc"[..], 5, &b"abc"[..], &b""[..]),
            (b"abcde", 5, b"abcde", b""),
            (b"abcdefg", 5, b"abcde", b"fg"),
        ] {
            assert_eq!(send(client.as_fd(), sent).unwrap(), sent.len());
            let (mut first, mut second) = (b"0".to_vec(), [0; 8]);
            let len = eventually(|| recv_append(server.as_fd(), &mut first, most, &mut second));
            assert_eq!((len, &first[1..], &second[..rest.len()]), (sent.len(), appended, rest));
        }
        let mut first = b"0".to_vec();
        let error = recv_append(server.as_fd(), &mut first, 5, &mut []).unwrap_err();
        assert_eq!((error.kind(), &first[..]), (io::ErrorKind::WouldBlock, &b"0"[..]));
    }

    #[test]
    fn of_two_first_listeners_one_fails_and_a_group_may_join_the_other() {
        let first = listen_tcp(ANY_PORT, Sharing::First, 16).unwrap();
        let address = local_address(first.as_fd()).unwrap();
        for at in [address, SocketAddr::from(([0, 0, 0, 0], address.port()))] {
            assert_eq!(listen_tcp(at, Sharing::First, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        let second = listen_tcp(address, Sharing::Group, 16).unwrap();
        drop(first);
        // The address belongs to the group as long as one of its sockets is open, and connections still reach the remaining ones.
        assert_eq!(listen_tcp(address, Sharing::First, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let _client = connect_tcp(None, address).unwrap();
        eventually(|| accept(second.as_fd()));
    }

    #[test]
    fn an_exclusive_listener_finds_another_one() {
        let first = listen_tcp(ANY_PORT, Sharing::Group, 16).unwrap();
        let address = local_address(first.as_fd()).unwrap();
        listen_tcp(address, Sharing::Group, 16).unwrap();
        let error = listen_tcp(address, Sharing::Exclusive, 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
