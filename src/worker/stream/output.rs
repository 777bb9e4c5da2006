//! Output that is written, or queued for the end of the iteration or until the kernel has room.

use std::io::{self, IoSlice};

use super::reply::Piece;
use super::socket_writer::SocketWriter;
use super::streams::Streams;
use super::transport::TransportContext;
use crate::budget::SLICES_PER_WRITE;
use crate::worker::os::Os;
use crate::worker::table::{ConflationKey, ConnIndex, Flags, Frame, Outbox, Record, SideRecord, State};

impl<O: Os, D> Streams<O, D> {
    /// Returns whether the kernel takes no more output at the moment.
    pub(in crate::worker) fn is_blocked(&self, index: ConnIndex) -> bool {
        self.table.get(index).is_none_or(|record| record.flags.has(Flags::BLOCKED))
    }

    /// Returns the number of bytes in a connection's outbox.
    pub(in crate::worker) fn outbox_len(&self, index: ConnIndex) -> usize {
        self.table.outbox(index).map_or(0, Outbox::len)
    }

    /// Returns the number of bytes in a connection's outbox, with the overhead of keeping them.
    pub(in crate::worker) fn outbox_weight(&self, index: ConnIndex) -> usize {
        self.table.outbox(index).map_or(0, Outbox::weight)
    }

    /// Returns whether other output of the connection leaves in this iteration, or is blocked. More output then joins the queue, so that
    /// one system call writes all of it.
    pub(in crate::worker) fn has_other_output(&self, index: ConnIndex) -> bool {
        let entry = self.table.entry(index);
        entry.is_some_and(|(record, side)| has_other_output(record, side, self.tick, self.postpones_pings))
    }

    /// Appends a copy of the bytes to the outbox. Returns `false` when the pool has no buffer for them.
    pub(in crate::worker) fn queue(&mut self, index: ConnIndex, bytes: &[u8]) -> bool {
        self.table.side_or_new(index).outbox.push(bytes, &mut self.pool)
    }

    /// Appends a reference to a frame, of which `written` bytes are already written, to the outbox.
    pub(in crate::worker) fn queue_shared(
        &mut self,
        index: ConnIndex,
        frame: &Frame,
        written: usize,
        key: ConflationKey,
    ) {
        let SideRecord { outbox, .. } = self.table.side_or_new(index);
        outbox.push_shared(Frame::clone(frame), written, key, &mut self.pool);
    }

    /// Appends the reply without its first `written` bytes to the outbox. Returns `false` when the pool has no buffer for a part of it.
    pub(in crate::worker) fn queue_reply(&mut self, index: ConnIndex, mut written: usize) -> bool {
        let Self { table, pool, receive_buffer, .. } = self;
        let SideRecord { outbox, .. } = table.side_or_new(index);
        let mut queued = true;
        receive_buffer.drain(|piece| {
            let skip = written.min(piece.len());
            written -= skip;
            match piece {
                Piece::Bytes(bytes) => queued &= skip == bytes.len() || outbox.push(&bytes[skip..], pool),
                Piece::Buffer(buffer) => outbox.push_buffer(buffer, skip, pool),
            }
        });
        queued
    }

    /// Marks a connection, so that its queued output is written at the end of the iteration.
    pub(in crate::worker) fn mark_dirty(&mut self, index: ConnIndex) {
        if !self.table.record_mut(index).flags.replace(Flags::DIRTY) {
            self.dirty.push(self.table.id(index));
        }
    }

    /// Writes the reply with one system call. Returns how many bytes of it were written.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send_reply(&mut self, index: ConnIndex) -> io::Result<usize> {
        let Self { table, os, transports, pool, counters, receive_buffer, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        let writer = SocketWriter { os, transports, pool, counters };
        if let Some(bytes) = receive_buffer.sole_piece() {
            return writer.send(index, record, bytes);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = receive_buffer.slices(&mut slices);
        writer.send_slices(index, record, &slices[..filled])
    }

    /// Writes bytes that are in no outbox with one system call. Returns how many of them were written.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send(&mut self, index: ConnIndex, bytes: &[u8]) -> io::Result<usize> {
        let Self { table, os, transports, pool, counters, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        SocketWriter { os, transports, pool, counters }.send(index, record, bytes)
    }

    /// Writes the start of the outbox with one system call. Returns `false` when the kernel has no more room.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send_outbox(&mut self, index: ConnIndex) -> io::Result<bool> {
        let Self { table, os, transports, pool, counters, tick, .. } = self;
        let Some((record, Some(side))) = table.entry_mut(index) else { return Ok(false) };
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = side.outbox.slices(&mut slices);
        let writer = SocketWriter { os, transports, pool, counters };
        let written = writer.send_slices(index, record, &slices[..filled])?;
        side.outbox.advance(written, pool);
        if written > 0 {
            side.outbox_written_at = *tick;
        }
        Ok(!record.flags.has(Flags::BLOCKED))
    }

    /// Sends what the connection's transport itself has to send. Returns `false`, and flags the connection `BLOCKED`, when the kernel has
    /// no room for all of it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn flush_transport(&mut self, index: ConnIndex) -> io::Result<bool> {
        let Self { table, os, transports, pool, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(true) };
        let is_flushed = transports
            .flush(record.transport(), &mut TransportContext { os, socket: &record.socket, index, pool })?;
        if !is_flushed {
            record.flags.set(Flags::BLOCKED);
        }
        Ok(is_flushed)
    }

    /// Returns whether output waits for the kernel, or for the end of the iteration.
    pub(in crate::worker) fn has_unsent(&self, index: ConnIndex) -> bool {
        self.outbox_len(index) > 0
            || self
                .table
                .get(index)
                .is_some_and(|record| self.transports.unsent(record.transport(), index) > 0)
    }

    /// Shuts down the writing half of a connection that has nothing left to send, after its output is written.
    pub(in crate::worker) fn end_writing(&mut self, index: ConnIndex) {
        let Self { table, os, transports, pool, .. } = self;
        let Some(record) = table.get_mut(index) else { return };
        if record.state() == State::Lingering && !record.flags.has(Flags::WRITE_SHUT) {
            let ended = transports.end_writing(
                record.transport(),
                &mut TransportContext { os, socket: &record.socket, index, pool },
            );
            // It can only fail for a connection that is lost, which the next read finds out.
            record.flags.set(if ended.unwrap_or(true) { Flags::WRITE_SHUT } else { Flags::BLOCKED });
        }
    }

    /// Discards all input of a connection's stream and all output that was to be sent in it.
    pub(in crate::worker) fn drop_stream(&mut self, index: ConnIndex) {
        self.receive_buffer.clear_reply(&mut self.pool);
        self.table.clear_message_deadline(index);
        if let Some(side) = self.table.side_mut(index) {
            side.clear(&mut self.pool);
        }
        self.table.record_mut(index).flags.clear(Flags::PAUSED);
        self.free_side(index);
    }

    /// Closes the socket of a connection that was removed from the table.
    pub(in crate::worker) fn close(&mut self, index: ConnIndex, record: Record<O::Socket, D>) {
        let Self { os, transports, pool, .. } = self;
        transports
            .close(record.transport(), &mut TransportContext { os, socket: &record.socket, index, pool });
        self.os.close(record.socket);
    }

    /// Frees the connection's side record when it is empty.
    pub(in crate::worker) fn free_side(&mut self, index: ConnIndex) {
        self.table.free_side(index, &mut self.pool);
    }
}

/// Returns whether other output of this connection leaves in the iteration of this tick, or is blocked. A push asks this for each
/// connection, so that rare conditions are checked last.
#[inline]
pub(in crate::worker) fn has_other_output<S, D>(
    record: &Record<S, D>,
    side: Option<&SideRecord>,
    tick: u32,
    postpones_pings: bool,
) -> bool {
    record.flags.has(Flags::BLOCKED)
        || side.is_some_and(|side| !side.outbox.is_empty())
        || (record.timer.deadline().is_some_and(|due| due <= tick)
            && record.state() == State::Open
            && !postpones_pings)
}
