//! What a worker holds, in plain numbers, for the simulation to compare with its model.

use std::time::Duration;

use super::worker::Worker;
use crate::metrics::Counters;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{Flags, Side, State};

/// What is in a worker's tables, lists and buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) records: usize,
    /// Slots of records for which there is memory, or below which there is some.
    pub(crate) record_slots: usize,
    pub(crate) sides: usize,
    pub(crate) side_slots: usize,
    /// Bytes of pooled buffers in use.
    pub(crate) buffers: usize,
    /// Whether free buffers are kept.
    pub(crate) keeps_buffers: bool,
    pub(crate) has_timers: bool,
    /// Connections held only to be refused.
    pub(crate) refused: usize,
    /// Connections that count for the server's limit.
    pub(crate) counted: usize,
    /// Queued for another look without an event, or for writing.
    pub(crate) revisits: usize,
    /// Bytes that were read and wait for the next visit.
    pub(crate) unread: usize,
    pub(crate) dirty: usize,
    /// Decisions that are to be made, or that the worker has not heard of.
    pub(crate) decisions: usize,
    pub(crate) is_broadcasting: bool,
    pub(crate) is_draining: bool,
    /// Accepting pauses until then.
    pub(crate) accepts_at: Option<Duration>,
}

/// One connection of a worker.
#[derive(Debug)]
pub(crate) struct ConnectionSnapshot<'a, S> {
    pub(crate) socket: &'a S,
    pub(crate) state: State,
    pub(crate) flags: Flags,
    /// Whether the handler has still to be told of its end.
    pub(crate) has_data: bool,
    /// The tick at which its timer is due.
    pub(crate) due: Option<u32>,
    /// A message has begun, and its end is awaited until a deadline.
    pub(crate) awaits_end: bool,
    /// Input that was read waits for the next visit.
    pub(crate) has_unread: bool,
    /// Bytes of its windows.
    pub(crate) context: usize,
    /// Bytes in its outbox.
    pub(crate) queued: usize,
    pub(crate) has_side: bool,
    /// It has a side record that is empty.
    pub(crate) has_empty_side: bool,
}

impl<O: Os, H: Handler> Worker<O, H> {
    pub(crate) fn inventory(&self) -> Inventory {
        let counted = self.sessions.common.add_connection();
        self.sessions.common.remove_connection();
        Inventory {
            records: self.sessions.streams.table.len(),
            record_slots: self.sessions.streams.table.end() as usize,
            sides: self.sessions.streams.table.sides_len(),
            side_slots: self.sessions.streams.table.side_slots(),
            buffers: self.sessions.streams.pool.used(),
            keeps_buffers: self.sessions.streams.pool.is_holding(),
            has_timers: self.sessions.streams.table.next_tick().is_some(),
            refused: self.sessions.refused,
            counted,
            revisits: self.sessions.visits.revisit.len() + self.sessions.visits.unseen.len(),
            unread: self.sessions.streams.table.sides().map(|side| side.unread.len()).sum(),
            dirty: self.sessions.streams.dirty.len(),
            decisions: self.sessions.app.decisions.taken(),
            is_broadcasting: self.schedule.broadcast.is_some(),
            is_draining: self.schedule.drain.is_some(),
            accepts_at: self.acceptor.retry_at(),
        }
    }

    /// Every connection in the table.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionSnapshot<'_, O::Socket>> {
        (0..self.sessions.streams.table.end()).filter_map(|at| {
            let (record, side) = self.sessions.streams.table.entry(at)?;
            Some(ConnectionSnapshot {
                socket: &record.socket,
                state: record.state(),
                flags: record.flags,
                has_data: record.data.is_some(),
                due: record.timer.deadline(),
                awaits_end: side.is_some_and(|side| side.message.clock.is_under_way()),
                has_unread: side.is_some_and(|side| !side.unread.is_empty()),
                context: side.map_or(0, Side::context_bytes),
                queued: side.map_or(0, |side| side.outbox.len()),
                has_side: side.is_some(),
                has_empty_side: side.is_some_and(Side::is_empty),
            })
        })
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn handler(&self) -> Option<&H> {
        self.sessions.app.handler.as_deref()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.sessions.streams.counters
    }

    /// How long the next wait would be; `None` for good.
    pub(crate) fn next_wait(&self) -> Option<Duration> {
        self.timeout()
    }

    /// Whether mail waits. One entry is lost if so: only for a caller that reports that as a fault.
    pub(crate) fn forgets_mail(&self) -> bool {
        self.inbox.take().is_some()
    }
}
