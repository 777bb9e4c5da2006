//! The plain transport: the socket carries the connection's stream unchanged.

use std::io::{self, IoSlice};

use super::interface::{ReadState, Received, Sent, Transport, TransportContext};
use crate::worker::os::Os;
use crate::worker::table::ConnIndex;

/// The plain transport.
#[derive(Debug, Default)]
pub(super) struct Plain;

impl Transport for Plain {
    #[inline(always)]
    fn receive<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        let Some((message, most)) = message else {
            let len = cx.os.recv(cx.socket, buffer)?;
            return Ok(Received { len, appended: 0, state: read_state(len, buffer.len()) });
        };
        let before = message.len();
        let len = cx.os.recv_append(cx.socket, message, most, buffer)?;
        Ok(Received { len, appended: message.len() - before, state: read_state(len, most + buffer.len()) })
    }

    fn begin_after_preamble<O: Os>(
        &mut self,
        _: &mut TransportContext<'_, O>,
        received: &mut [u8],
    ) -> io::Result<Received> {
        Ok(Received { len: received.len(), appended: 0, state: ReadState::Drained })
    }

    #[inline(always)]
    fn unread<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> usize {
        cx.os.unread(cx.socket)
    }

    #[inline(always)]
    fn send<O: Os>(&mut self, cx: &mut TransportContext<'_, O>, bytes: &[u8]) -> io::Result<Sent> {
        sent(cx.os.send(cx.socket, bytes), bytes.len())
    }

    #[inline(always)]
    fn send_vectored<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent> {
        sent(cx.os.send_vectored(cx.socket, slices), offered)
    }

    #[inline(always)]
    fn unsent(&self, _: ConnIndex) -> usize {
        0
    }

    #[inline(always)]
    fn flush<O: Os>(&mut self, _: &mut TransportContext<'_, O>) -> io::Result<bool> {
        Ok(true)
    }

    #[inline(always)]
    fn end_writing<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool> {
        cx.os.shutdown_write(cx.socket).map(|()| true)
    }

    #[inline(always)]
    fn take_work(&mut self) -> usize {
        0
    }

    fn refusal<'a>(&self, response: &'a [u8]) -> &'a [u8] {
        response
    }

    #[inline(always)]
    fn close<O: Os>(&mut self, _: &mut TransportContext<'_, O>) {}
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
