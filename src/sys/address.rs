//! Socket addresses in the kernel's form, sockaddr(3type), and back.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, socklen_t};

use super::check;

/// Returns an address in the kernel's form, and the length in bytes of its used part.
pub(super) fn encode(address: &SocketAddr) -> (libc::sockaddr_storage, socklen_t) {
    // SAFETY: an all-zero sockaddr_storage is valid: an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let len = match address {
        SocketAddr::V4(v4) => {
            let encoded = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large enough and aligned for every address type.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(encoded) };
            length_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let encoded = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: sockaddr_storage is large enough and aligned for every address type.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(encoded) };
            length_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len)
}

/// Returns the address that a call such as getsockname(2) fills in.
pub(super) fn read_address(
    call: impl FnOnce(*mut libc::sockaddr, *mut socklen_t) -> c_int,
) -> io::Result<SocketAddr> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut len = length_of::<libc::sockaddr_storage>();
    check(call(storage.as_mut_ptr().cast(), &raw mut len))?;
    // SAFETY: zeroed storage is a valid sockaddr_storage, whatever part of it the call filled.
    let storage = unsafe { storage.assume_init() };
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds this type.
            let v4 = unsafe { (&raw const storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds this type.
            let v6 = unsafe { (&raw const storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Ok(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

/// Converts `AF_INET` (2) or `AF_INET6` (10), which fit any family field.
const fn family(af: c_int) -> libc::sa_family_t {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2 or 10")]
    {
        af as libc::sa_family_t
    }
}

/// Returns the size of a socket option or address in bytes. All of these sizes are far below 4 GiB.
pub(super) const fn length_of<T>() -> socklen_t {
    #[expect(clippy::cast_possible_truncation, reason = "the size of a small C struct")]
    {
        size_of::<T>() as socklen_t
    }
}
