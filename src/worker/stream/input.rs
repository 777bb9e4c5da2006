//! Bytes of connections' streams on their way in.

use std::io;
use std::ops::Range;

use super::listener::ListenerOptions;
use super::streams::Streams;
use super::transport::{Link, Next, Received};
use crate::worker::os::Os;
use crate::worker::table::{Flags, Record, Side};

impl<O: Os, D> Streams<O, D> {
    /// One system call, into that part of the receive buffer, or first to where the rest of a large message belongs.
    ///
    /// # Errors
    /// When the connection is lost; `WouldBlock` when nothing has arrived.
    #[inline(always)]
    pub(in crate::worker) fn receive(&mut self, index: u32, part: Range<usize>) -> io::Result<Received> {
        let Self { table, os, pool, receive, transports, .. } = self;
        let buffer = receive.room(part);
        let Some((record, side)) = table.entry_mut(index) else {
            return Ok(Received { len: 0, appended: 0, next: Next::End });
        };
        let kind = record.transport();
        let received = if let Some(Side { message, .. }) = side
            && let Some((payload, most)) = message.decoder.spare_capacity(pool)
        {
            let mut link = Link { os, socket: &record.socket, index, pool };
            let received = transports.receive(kind, &mut link, Some((payload, most)), buffer)?;
            message.decoder.appended(received.appended, pool);
            received
        } else {
            let mut link = Link { os, socket: &record.socket, index, pool };
            transports.receive(kind, &mut link, None, buffer)?
        };
        if transports.unsent(kind, index) > 0 {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(received)
    }

    /// What the listener of a connection gives it to begin with.
    pub(in crate::worker) fn listener_options(&self, index: u32) -> ListenerOptions {
        let listener = self.table.get(index).map(Record::listener);
        listener
            .and_then(|listener| self.listeners.get(listener.index()))
            .copied()
            .unwrap_or(ListenerOptions::PLAIN)
    }

    /// Gives a connection's transport the bytes in that part of the receive buffer, which came before it and are replaced by bytes of the
    /// stream.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn begin(&mut self, index: u32, part: Range<usize>) -> io::Result<Received> {
        let Self { table, os, pool, receive, transports, .. } = self;
        let Some(record) = table.get_mut(index) else {
            return Ok(Received { len: 0, appended: 0, next: Next::End });
        };
        let kind = record.transport();
        let mut link = Link { os, socket: &record.socket, index, pool };
        let received = transports.begin(kind, &mut link, receive.room(part))?;
        if transports.unsent(kind, index) > 0 {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(received)
    }

    /// Bytes that have arrived, were not received, and can be.
    pub(in crate::worker) fn unreceived(&mut self, index: u32) -> usize {
        let Self { table, os, pool, transports, .. } = self;
        let Some(record) = table.get(index) else { return 0 };
        transports.unread(record.transport(), &mut Link { os, socket: &record.socket, index, pool })
    }
}
