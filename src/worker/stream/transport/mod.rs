//! Transports: how the bytes of connections pass through their sockets.
//!
//! - `interface`: the trait of a transport, and the results of its functions.
//! - `plain`: unencrypted bytes. `records`: records, for tests.
//!
//! A tag in each connection's record says which transport it uses. To add one, write it in a file of its own, add it to
//! [`Transports`], and give its [`TransportKind`] a number.

mod interface;
mod plain;
#[cfg(test)]
pub(in crate::worker) mod records;

use std::io::{self, IoSlice};

use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, TransportKind};
use interface::Transport;
use plain::Plain;
#[cfg(test)]
use records::Records;

pub(in crate::worker) use interface::{ReadState, Received};
pub(super) use interface::{Sent, TransportContext};

/// The transports of a worker, with the state that they keep of connections. Each function calls the function of that name of the
/// [`Transport`] of that kind.
#[derive(Debug, Default)]
pub(in crate::worker) struct Transports {
    plain: Plain,
    #[cfg(test)]
    records: Records,
}

/// Calls the transport of a kind. With a single kind the compiler removes the match.
macro_rules! call {
    ($transports:ident, $kind:ident, $function:ident($($argument:expr),*)) => {
        match $kind {
            TransportKind::Plain => $transports.plain.$function($($argument),*),
            #[cfg(test)]
            TransportKind::Records => $transports.records.$function($($argument),*),
        }
    };
}

impl Transports {
    #[inline(always)]
    pub(in crate::worker) fn receive<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        call!(self, kind, receive(cx, message, buffer))
    }

    pub(in crate::worker) fn begin_after_preamble<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
        received: &mut [u8],
    ) -> io::Result<Received> {
        call!(self, kind, begin_after_preamble(cx, received))
    }

    pub(in crate::worker) fn unread<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
    ) -> usize {
        call!(self, kind, unread(cx))
    }

    #[inline(always)]
    pub(in crate::worker) fn send<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
        bytes: &[u8],
    ) -> io::Result<Sent> {
        call!(self, kind, send(cx, bytes))
    }

    pub(in crate::worker) fn send_vectored<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent> {
        call!(self, kind, send_vectored(cx, slices, offered))
    }

    #[inline(always)]
    pub(in crate::worker) fn unsent(&self, kind: TransportKind, index: ConnIndex) -> usize {
        call!(self, kind, unsent(index))
    }

    #[inline(always)]
    pub(in crate::worker) fn flush<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
    ) -> io::Result<bool> {
        call!(self, kind, flush(cx))
    }

    pub(in crate::worker) fn end_writing<O: Os>(
        &mut self,
        kind: TransportKind,
        cx: &mut TransportContext<'_, O>,
    ) -> io::Result<bool> {
        call!(self, kind, end_writing(cx))
    }

    /// Returns the work of all transports since the last call.
    #[inline(always)]
    pub(in crate::worker) fn take_work(&mut self) -> usize {
        let work = self.plain.take_work();
        #[cfg(test)]
        let work = work + self.records.take_work();
        work
    }

    pub(in crate::worker) fn refusal<'a>(&self, kind: TransportKind, response: &'a [u8]) -> &'a [u8] {
        call!(self, kind, refusal(response))
    }

    pub(in crate::worker) fn close<O: Os>(&mut self, kind: TransportKind, cx: &mut TransportContext<'_, O>) {
        call!(self, kind, close(cx));
    }
}
