//! What the kernel has not taken: kept aside, since nearly every connection does without.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use throng::sys::socket;

/// Bytes that wait for room, by descriptor. Who has some is watched for writing, too.
#[derive(Debug, Default)]
pub(super) struct Unsent(HashMap<usize, Vec<u8>>);

impl Unsent {
    /// Sends bytes behind those that wait, and keeps what the kernel does not take.
    pub(super) fn send(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        bytes: &[u8],
    ) -> io::Result<()> {
        if let Some(waiting) = self.0.get_mut(&at) {
            waiting.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = send_some(fd, bytes)?;
        if sent < bytes.len() {
            self.0.insert(at, bytes[sent..].to_vec());
            watch(registry, fd, at, Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(())
    }

    /// Sends what waits, as far as the kernel takes it now.
    pub(super) fn flush(&mut self, registry: &Registry, fd: &OwnedFd, at: usize) -> io::Result<()> {
        let Some(waiting) = self.0.get_mut(&at) else { return Ok(()) };
        let sent = send_some(fd, waiting)?;
        waiting.drain(..sent);
        if waiting.is_empty() {
            self.0.remove(&at);
            watch(registry, fd, at, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Forgets what waited for a connection that has gone.
    pub(super) fn forget(&mut self, at: usize) {
        self.0.remove(&at);
    }
}

pub(super) fn watch(registry: &Registry, fd: &OwnedFd, at: usize, interest: Interest) -> io::Result<()> {
    registry.reregister(&mut SourceFd(&fd.as_raw_fd()), Token(at), interest)
}

/// Sends what the kernel takes; a full socket takes nothing.
fn send_some(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match socket::send(fd.as_fd(), bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use mio::Poll;

    use super::*;

    #[test]
    fn what_does_not_fit_goes_out_in_order_later() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (poll, ours) = (Poll::new().unwrap(), OwnedFd::from(ours));
        poll.registry().register(&mut SourceFd(&ours.as_raw_fd()), Token(3), Interest::READABLE).unwrap();
        let mut unsent = Unsent::default();
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
        let (first, second) = bytes.split_at(1_500_000);
        unsent.send(poll.registry(), &ours, 3, first).unwrap();
        assert!(!unsent.0.is_empty(), "the socket takes it all: the test needs more bytes");
        unsent.send(poll.registry(), &ours, 3, second).unwrap();
        let mut received = Vec::new();
        while received.len() < bytes.len() {
            let mut buffer = vec![0; 65_536];
            let read = theirs.read(&mut buffer).unwrap();
            received.extend_from_slice(&buffer[..read]);
            unsent.flush(poll.registry(), &ours, 3).unwrap();
        }
        assert!(received == bytes && unsent.0.is_empty());
    }
}
