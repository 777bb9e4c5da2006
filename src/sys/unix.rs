//! Unix sockets that listen, and the permissions to connect to them.

use std::ffi::{CString, OsStr};
use std::fs::Permissions;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::ptr;

use super::check;

/// Makes a socket that is bound to a path and does not listen yet (unix(7)). No process can connect to it yet.
///
/// # Errors
/// `EADDRINUSE` when the path exists, `ENAMETOOLONG` over 107 bytes, `EACCES`, `ENOENT` for a missing directory.
pub fn bind(path: &Path) -> io::Result<OwnedFd> {
    let (fd, address) = (stream()?, address(path)?);
    let len = super::address::length_of::<libc::sockaddr_un>();
    // SAFETY: the pointer and length are those of a live socket address.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(fd)
}

/// Returns `true` if no process listens any more on the socket at a path. The check does not wait: a process that listens but does not
/// accept counts as listening.
#[must_use]
pub fn is_deserted(path: &Path) -> bool {
    let connect = || {
        let (fd, address) = (stream()?, address(path)?);
        let len = super::address::length_of::<libc::sockaddr_un>();
        // SAFETY: the pointer and length are those of a live socket address.
        check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), len) })
    };
    connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Makes a socket that is not bound.
fn stream() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn address(path: &Path) -> io::Result<libc::sockaddr_un> {
    // SAFETY: an all-zero address is a valid, empty one.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or_default();
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // The last byte stays 0.
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    Ok(address)
}

/// Sets which processes may connect: those that may write to the socket's file. `mode` is the file's permissions, whatever the umask, and
/// `group` the file's group; `None` leaves the group of the process.
///
/// # Errors
/// `EPERM` for a group that the process is not in.
pub fn restrict(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Returns the number of the group of that name, from any source of groups that the system uses; `None` when no such group exists
/// (getgrnam(3)).
///
/// # Errors
/// The error of the lookup.
pub fn group(name: &OsStr) -> io::Result<Option<u32>> {
    let name = CString::new(name.as_bytes())?;
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        let (pointer, len) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the name ends with a zero; the other pointers are to live storage of the types and the length given.
        let error =
            unsafe { libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), pointer, len, &raw mut found) };
        match error {
            0 if found.is_null() => return Ok(None),
            // SAFETY: the result is not null, so the call has filled the entry.
            0 => return Ok(Some(unsafe { entry.assume_init() }.gr_gid)),
            libc::ERANGE if len < 1 << 20 => buffer.resize(2 * len, 0),
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn groups_have_numbers() {
        assert_eq!(group(OsStr::new("root")).unwrap(), Some(0));
        assert_eq!(group(OsStr::new("no such group")).unwrap(), None);
    }

    #[test]
    fn a_bound_socket_has_the_permissions_it_is_given_and_does_not_listen() {
        let path = std::env::temp_dir().join(format!("throng-{}-restricted", std::process::id()));
        let bound = bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        for mode in [0o660, 0o777, 0o200] {
            restrict(&path, mode, None).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
        let refused = std::os::unix::net::UnixStream::connect(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(is_deserted(&path));
        super::super::socket::listen(std::os::fd::AsFd::as_fd(&bound), 1).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(!is_deserted(&path));
        std::fs::remove_file(&path).unwrap();
        for wrong in ["", &"x".repeat(108)] {
            assert_eq!(bind(Path::new(wrong)).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
        }
    }
}
