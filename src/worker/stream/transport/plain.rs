//! The plain transport: the socket carries the connection's stream unchanged.

use std::io::{self, IoSlice};

use super::seam::{Link, ReadState, Received, Sent, Transport};
use crate::worker::os::Os;
use crate::worker::table::ConnIndex;

/// The plain transport.
#[derive(Debug, Default)]
pub(super) struct Plain;

impl Transport for Plain {
    #[inline(always)]
    fn receive<O: Os>(
        &mut self,
        link: &mut Link<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        let Some((message, most)) = message else {
            let len = link.os.recv(link.socket, buffer)?;
            return Ok(Received { len, appended: 0, state: read_state(len, buffer.len()) });
        };
        let before = message.len();
        let len = link.os.recv_append(link.socket, message, most, buffer)?;
        Ok(Received { len, appended: message.len() - before, state: read_state(len, most + buffer.len()) })
    }

    fn begin<O: Os>(&mut self, _: &mut Link<'_, O>, received: &mut [u8]) -> io::Result<Received> {
        Ok(Received { len: received.len(), appended: 0, state: ReadState::Drained })
    }

    #[inline(always)]
    fn unread<O: Os>(&mut self, link: &mut Link<'_, O>) -> usize {
        link.os.unread(link.socket)
    }

    #[inline(always)]
    fn send<O: Os>(&mut self, link: &mut Link<'_, O>, bytes: &[u8]) -> io::Result<Sent> {
        sent(link.os.send(link.socket, bytes), bytes.len())
    }

    #[inline(always)]
    fn send_vectored<O: Os>(
        &mut self,
        link: &mut Link<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent> {
        sent(link.os.send_vectored(link.socket, slices), offered)
    }

    #[inline(always)]
    fn unsent(&self, _: ConnIndex) -> usize {
        0
    }

    #[inline(always)]
    fn flush<O: Os>(&mut self, _: &mut Link<'_, O>) -> io::Result<bool> {
        Ok(true)
    }

    #[inline(always)]
    fn end_writing<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool> {
        link.os.shutdown_write(link.socket).map(|()| true)
    }

    #[inline(always)]
    fn close<O: Os>(&mut self, _: &mut Link<'_, O>) {}
}

/// A read of less than there is room for means that the socket is drained (epoll(7)).
#[inline(always)]
const fn read_state(len: usize, room: usize) -> ReadState {
    if len == 0 {
        ReadState::Ended
    } else if len < room {
        ReadState::Drained
    } else {
        ReadState::MayHaveMore
    }
}

/// A write of less than was offered means that the kernel has no room. So does `EAGAIN`, which is no error here.
#[inline(always)]
fn sent(result: io::Result<usize>, offered: usize) -> io::Result<Sent> {
    match result {
        Ok(len) => Ok(Sent { len, is_blocked: len < offered }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent { len: 0, is_blocked: true }),
        Err(error) => Err(error),
    }
}
