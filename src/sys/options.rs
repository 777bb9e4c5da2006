//! Options of sockets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use libc::{c_int, c_void};

use super::address::length_of;
use super::check;

/// Bounds the bytes that the kernel takes of a connection before it can send them, `TCP_NOTSENT_LOWAT` (Documentation/networking/ip-sysctl,
/// `tcp_notsent_lowat`). Without this bound the kernel takes up to `tcp_wmem`, 4 MiB, for a peer that does not read, before output waits in
/// the outbox. Connections accepted from a listener inherit its bound, as they inherit `TCP_NODELAY`.
///
/// # Errors
/// None on Linux 3.12 or later.
pub fn limit_unsent(fd: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, &bytes)
}

/// Makes a listener deliver a connection only when the connection has sent something, or after about `time`, which is rounded up to whole
/// seconds and then to one of 1, 3, 7, 15 (`TCP_DEFER_ACCEPT`, tcp(7); `secs_to_retrans` in net/ipv4/tcp.c). Until then only the kernel
/// holds the connection, in less memory.
///
/// # Errors
/// None on Linux 2.4 or later.
pub fn defer_accept(listener: BorrowedFd<'_>, time: Duration) -> io::Result<()> {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    set_option(listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &seconds)
}

/// Makes a group of listeners ([`Sharing::Group`](super::socket::Sharing::Group)) deliver a connection to this listener when the kernel
/// handles the connection's first packet on core number `core` (`SO_INCOMING_CPU`, socket(7); `reuseport_select_sock_by_hash` in
/// net/core/sock_reuseport.c). Where no listener has the core, or the kernel is older than Linux 6.2, connections are spread as without the
/// option.
///
/// # Errors
/// None on Linux 4.4 or later.
pub fn prefer_core(listener: BorrowedFd<'_>, core: usize) -> io::Result<()> {
    let core = c_int::try_from(core).map_err(|_| io::ErrorKind::InvalidInput)?;
    set_option(listener, libc::SOL_SOCKET, libc::SO_INCOMING_CPU, &core)
}

/// The start of `struct tcp_info` (include/uapi/linux/tcp.h), with fields that the crate `libc` lacks.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct TcpInfo {
    states: [u8; 8],
    before: [u32; 12],
    /// Milliseconds since the last acknowledgement of the peer's system, which may have acknowledged nothing new.
    pub last_ack_recv: u32,
    behind: [u32; 11],
    rates: [u64; 2],
    /// Bytes that the peer's system has acknowledged.
    pub bytes_acked: u64,
}

const _: () = assert!(std::mem::offset_of!(TcpInfo, last_ack_recv) == 56);
const _: () = assert!(std::mem::offset_of!(TcpInfo, bytes_acked) == 120);

/// Returns the kernel's information about a TCP connection (`TCP_INFO`, tcp(7)). The kernel fills `bytes_acked` since Linux 4.1.
///
/// # Errors
/// `EOPNOTSUPP` for a socket that is not a TCP socket.
pub fn tcp_info(fd: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    let mut info = TcpInfo::default();
    let mut len = length_of::<TcpInfo>();
    let value = (&raw mut info).cast();
    // SAFETY: the pointers are to live locals of the sizes given, and any bytes make a `TcpInfo`.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, &raw mut len)
    })?;
    Ok(info)
}

/// Returns the number of bytes written to a TCP connection that its peer's system has not acknowledged, whether they are sent or not
/// (`SIOCOUTQ`, tcp(7)).
///
/// # Errors
/// `EINVAL` for a listener.
pub fn unacknowledged(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: the pointer is to a live local of the type that the request writes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(u32::try_from(bytes).unwrap_or(0))
}

pub(super) fn set_nodelay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_flag(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)
}

pub(super) fn set_flag(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<()> {
    let on: c_int = 1;
    set_option(fd, level, name, &on)
}

pub(super) fn set_option<T>(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let pointer = std::ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the pointer and length are those of a live value that the call only reads.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, pointer, length_of::<T>()) }).map(drop)
}

pub(super) fn get_int(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = length_of::<c_int>();
    // SAFETY: the pointers are to live locals of the sizes given.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len) })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;
    use crate::sys::socket::tests::{ANY_PORT, eventually};
    use crate::sys::socket::{Sharing, accept, connect_tcp, listen_tcp, local_address, send};

    #[test]
    fn accepted_sockets_inherit_the_limit_of_what_is_not_sent() {
        let taken = |limit: Option<u32>| {
            let listener = listen_tcp(ANY_PORT, Sharing::Group, 16).unwrap();
            limit.into_iter().for_each(|limit| limit_unsent(listener.as_fd(), limit).unwrap());
            let _client = connect_tcp(None, local_address(listener.as_fd()).unwrap()).unwrap();
            let server = eventually(|| accept(listener.as_fd()));
            let mut taken = 0;
            while let Ok(len) = send(server.as_fd(), &[0; 64 * 1024]) {
                taken += len;
                // Time for the client's kernel to take what it will.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            taken
        };
        let (limited, unlimited) = (taken(Some(16 * 1024)), taken(None));
        assert!(limited < unlimited / 2, "{limited} and {unlimited} bytes");
    }

    #[test]
    fn connections_go_to_the_listener_of_the_core_they_come_from() {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let first = listen_tcp(ANY_PORT, Sharing::Group, 64).unwrap();
        let address = local_address(first.as_fd()).unwrap();
        let mut listeners = vec![first];
        listeners.resize_with(cores.len().max(1), || listen_tcp(address, Sharing::Group, 64).unwrap());
        for (listener, core) in listeners.iter().zip(&cores) {
            prefer_core(listener.as_fd(), core.id).unwrap();
        }
        for (listener, &core) in listeners.iter().zip(&cores) {
            let connecting = thread::spawn(move || {
                assert!(core_affinity::set_for_current(core));
                (0..20).map(|_| connect_tcp(None, address).unwrap()).collect::<Vec<_>>()
            });
            let clients = connecting.join().unwrap();
            clients.iter().for_each(|_| drop(eventually(|| accept(listener.as_fd()))));
        }
    }
}
