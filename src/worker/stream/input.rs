//! Receiving the bytes of connections' streams.

use std::io;
use std::ops::Range;

use super::listener::ListenerOptions;
use super::streams::Streams;
use super::transport::{ReadState, Received, TransportContext};
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, Record, SideRecord};

impl<O: Os, D> Streams<O, D> {
    /// Receives with one system call: first into the buffer of a large message that is incomplete, then into this range of the receive
    /// buffer.
    ///
    /// # Errors
    /// When the connection is lost; `WouldBlock` when nothing has arrived.
    #[inline(always)]
    pub(in crate::worker) fn receive(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
    ) -> io::Result<Received> {
        let Self { table, os, pool, receive_buffer, transports, .. } = self;
        let buffer = receive_buffer.room(part);
        let Some((record, side)) = table.entry_mut(index) else {
            return Ok(Received { len: 0, appended: 0, state: ReadState::Ended });
        };
        let kind = record.transport();
        let received = if let Some(SideRecord { message, .. }) = side
            && let Some((payload, most)) = message.decoder.spare_capacity(pool)
        {
            let mut cx = TransportContext { os, socket: &record.socket, index, pool };
            let received = transports.receive(kind, &mut cx, Some((payload, most)), buffer)?;
            message.decoder.appended(received.appended, pool);
            received
        } else {
            let mut cx = TransportContext { os, socket: &record.socket, index, pool };
            transports.receive(kind, &mut cx, None, buffer)?
        };
        if transports.unsent(kind, index) > 0 {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(received)
    }

    /// Returns the transport and the preamble that the connection's listener prescribes.
    pub(in crate::worker) fn listener_options(&self, index: ConnIndex) -> ListenerOptions {
        let listener = self.table.get(index).map(Record::listener);
        listener
            .and_then(|listener| self.listeners.get(listener.index()))
            .copied()
            .unwrap_or(ListenerOptions::PLAIN)
    }

    /// Passes the bytes in this range of the receive buffer to a connection's transport. They were received before the transport began;
    /// bytes of the stream replace them.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn begin_transport(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
    ) -> io::Result<Received> {
        let Self { table, os, pool, receive_buffer, transports, .. } = self;
        let Some(record) = table.get_mut(index) else {
            return Ok(Received { len: 0, appended: 0, state: ReadState::Ended });
        };
        let kind = record.transport();
        let mut cx = TransportContext { os, socket: &record.socket, index, pool };
        let received = transports.begin_after_preamble(kind, &mut cx, receive_buffer.room(part))?;
        if transports.unsent(kind, index) > 0 {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(received)
    }

    /// Returns how many bytes have arrived and were not read from the socket or the transport.
    pub(in crate::worker) fn unread(&mut self, index: ConnIndex) -> usize {
        let Self { table, os, pool, transports, .. } = self;
        let Some(record) = table.get(index) else { return 0 };
        transports
            .unread(record.transport(), &mut TransportContext { os, socket: &record.socket, index, pool })
    }
}
