//! Output that is written, or waits: for the end of the iteration, or for the kernel.

use std::io::{self, IoSlice};

use super::reply::Piece;
use super::send::{send_bytes, send_slices};
use super::streams::Streams;
use crate::budget::SLICES_PER_WRITE;
use crate::worker::os::Os;
use crate::worker::table::{Flags, Frame, Lane, Outbox, Record, Side, State};

impl<O: Os, D> Streams<O, D> {
    /// Whether the kernel takes nothing more at the moment.
    pub(in crate::worker) fn is_blocked(&self, index: u32) -> bool {
        self.table.get(index).is_none_or(|record| record.flags.has(Flags::BLOCKED))
    }

    /// Bytes in a connection's outbox.
    pub(in crate::worker) fn queued(&self, index: u32) -> usize {
        self.table.outbox(index).map_or(0, Outbox::len)
    }

    /// Bytes in a connection's outbox, and what keeping them costs.
    pub(in crate::worker) fn weight(&self, index: u32) -> usize {
        self.table.outbox(index).map_or(0, Outbox::weight)
    }

    /// Whether other output leaves in this iteration, or cannot: then more of it joins the queue, for one system call.
    pub(in crate::worker) fn has_other_output(&self, index: u32) -> bool {
        let entry = self.table.entry(index);
        entry.is_some_and(|(record, side)| has_other_output(record, side, self.tick, self.puts_pings_off))
    }

    /// Puts a copy of the bytes into the outbox. `false` when there is no buffer for them.
    pub(in crate::worker) fn queue(&mut self, index: u32, bytes: &[u8]) -> bool {
        self.table.side_or_new(index).outbox.push(bytes, &mut self.pool)
    }

    /// Puts a reference to a frame of which `written` bytes are out into the outbox.
    pub(in crate::worker) fn queue_shared(&mut self, index: u32, frame: &Frame, written: usize, lane: Lane) {
        let Side { outbox, .. } = self.table.side_or_new(index);
        outbox.push_shared(Frame::clone(frame), written, lane, &mut self.pool);
    }

    /// Puts what is not `written` of the reply into the outbox. `false` when there is no buffer for part of it.
    pub(in crate::worker) fn queue_reply(&mut self, index: u32, mut written: usize) -> bool {
        let Self { table, pool, receive, .. } = self;
        let Side { outbox, .. } = table.side_or_new(index);
        let mut queued = true;
        receive.drain(|piece| {
            let skip = written.min(piece.len());
            written -= skip;
            match piece {
                Piece::Bytes(bytes) => queued &= skip == bytes.len() || outbox.push(&bytes[skip..], pool),
                Piece::Buffer(buffer) => outbox.push_buffer(buffer, skip, pool),
            }
        });
        queued
    }

    /// Has what was queued for a connection written at the end of the iteration.
    pub(in crate::worker) fn mark_dirty(&mut self, index: u32) {
        if !self.table.record_mut(index).flags.replace(Flags::DIRTY) {
            self.dirty.push(self.table.id(index));
        }
    }

    /// One system call for the reply. Returns how many bytes of it were written.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send_reply(&mut self, index: u32) -> io::Result<usize> {
        let Self { table, os, counters, receive, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        if let Some(bytes) = receive.sole_piece() {
            return send_bytes(os, record, counters, bytes);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = receive.slices(&mut slices);
        send_slices(os, record, counters, &slices[..filled])
    }

    /// One system call for bytes that are in no outbox. Returns how many of them were written.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send(&mut self, index: u32, bytes: &[u8]) -> io::Result<usize> {
        let Self { table, os, counters, .. } = self;
        let Some(record) = table.get_mut(index) else { return Ok(0) };
        send_bytes(os, record, counters, bytes)
    }

    /// One system call for the start of the outbox. `false` when the kernel took less than it was given.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(in crate::worker) fn send_outbox(&mut self, index: u32) -> io::Result<bool> {
        let Self { table, os, pool, counters, tick, .. } = self;
        let Some((record, Some(side))) = table.entry_mut(index) else { return Ok(false) };
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let filled = side.outbox.slices(&mut slices);
        let offered: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        let written = send_slices(os, record, counters, &slices[..filled])?;
        side.outbox.advance(written, pool);
        if written > 0 {
            side.taken_at = *tick;
        }
        Ok(written == offered)
    }

    /// Ends the writing half of a connection that has nothing left to say, and whose output is out.
    pub(in crate::worker) fn end_writing(&mut self, index: u32) {
        let Some(record) = self.table.get_mut(index) else { return };
        if record.state == State::Finishing && !record.flags.replace(Flags::SHUT) {
            // It can only fail for a connection that is gone, which the next read finds out.
            let _ = self.os.shutdown_write(&record.socket);
        }
    }

    /// Frees the side record when there is nothing in it.
    pub(in crate::worker) fn free_side(&mut self, index: u32) {
        self.table.free_side(index, &mut self.pool);
    }
}

/// Whether other output of the connection with this record leaves in the iteration of this tick, or cannot. A push asks for each
/// connection, so what is rare is looked at last.
#[inline]
pub(in crate::worker) fn has_other_output<S, D>(
    record: &Record<S, D>,
    side: Option<&Side>,
    tick: u32,
    puts_pings_off: bool,
) -> bool {
    record.flags.has(Flags::BLOCKED)
        || side.is_some_and(|side| !side.outbox.is_empty())
        || (record.timer.deadline().is_some_and(|due| due <= tick)
            && record.state == State::Open
            && !puts_pings_off)
}
