//! System calls that write, with their counters.

use std::io::{self, IoSlice};

use super::transport::{Sent, TransportContext, Transports};
use crate::base::pool::Pool;
use crate::budget::{UNSENT_IN_KERNEL, UNSENT_OF_LARGE};
use crate::metrics::Counters;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, Record, TransportKind};

/// Writes to sockets through their transports. It borrows the parts of [`Streams`](super::Streams) that this needs beside the record.
pub(in crate::worker) struct SocketWriter<'a, O: Os> {
    pub(in crate::worker) os: &'a mut O,
    pub(in crate::worker) transports: &'a mut Transports,
    pub(in crate::worker) pool: &'a mut Pool,
    pub(in crate::worker) counters: &'a Counters,
}

impl<O: Os> SocketWriter<'_, O> {
    /// Offers the bytes of one slice to the connection's transport, and returns how many it took. Flags the connection `BLOCKED` when the
    /// kernel has no more room.
    ///
    /// # Errors
    /// When the connection is lost.
    #[inline]
    pub(in crate::worker) fn send<D>(
        self,
        index: ConnIndex,
        record: &mut Record<O::Socket, D>,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let is_large = bytes.len() > UNSENT_IN_KERNEL as usize;
        self.send_with(index, record, is_large, |transports, kind, cx| transports.send(kind, cx, bytes))
    }

    /// Offers the bytes of several slices, like [`send`](Self::send).
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send_slices<D>(
        self,
        index: ConnIndex,
        record: &mut Record<O::Socket, D>,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if let [only] = slices {
            return self.send(index, record, only);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let limit = UNSENT_IN_KERNEL as usize;
        let is_large = offered > limit && slices.iter().any(|slice| slice.len() > limit);
        self.send_with(index, record, is_large, |transports, kind, cx| {
            transports.send_vectored(kind, cx, slices, offered)
        })
    }

    #[inline]
    fn send_with<D>(
        mut self,
        index: ConnIndex,
        record: &mut Record<O::Socket, D>,
        is_large: bool,
        send: impl FnOnce(&mut Transports, TransportKind, &mut TransportContext<'_, O>) -> io::Result<Sent>,
    ) -> io::Result<usize> {
        if !is_large {
            return self.offer(index, record, send);
        }
        self.os.limit_unsent(&record.socket, UNSENT_OF_LARGE);
        let sent = self.offer(index, record, send);
        self.os.limit_unsent(&record.socket, UNSENT_IN_KERNEL);
        sent
    }

    #[inline]
    fn offer<D>(
        &mut self,
        index: ConnIndex,
        record: &mut Record<O::Socket, D>,
        send: impl FnOnce(&mut Transports, TransportKind, &mut TransportContext<'_, O>) -> io::Result<Sent>,
    ) -> io::Result<usize> {
        let Self { os, transports, pool, counters } = self;
        counters.writes.add(1);
        let kind = record.transport();
        let Sent { len, is_blocked } =
            send(transports, kind, &mut TransportContext { os, socket: &record.socket, index, pool })?;
        counters.bytes_out.add(len as u64);
        if is_blocked {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(len)
    }
}
