//! The state of a worker in plain numbers, which the simulation compares with its model.

use std::time::Duration;

use super::worker::Worker;
use crate::metrics::Counters;
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::table::{ConnIndex, Flags, SideRecord, State};

/// The contents of a worker's tables, lists and buffers, as counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) records: usize,
    /// The end of the range of record indices: slots with memory are below it.
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
    /// Connections of all workers that count for the server's limit.
    pub(crate) counted: usize,
    /// Connections queued for a visit without an event. `dirty` counts those queued for writing.
    pub(crate) revisits: usize,
    /// Bytes that were read and wait for the next visit.
    pub(crate) unhandled: usize,
    pub(crate) dirty: usize,
    /// Decisions that are not made yet, or that the worker has not received yet.
    pub(crate) decisions: usize,
    pub(crate) is_broadcasting: bool,
    pub(crate) is_draining: bool,
    /// The end of a pause in accepting.
    pub(crate) accepts_at: Option<Duration>,
}

/// The state of one connection of a worker.
#[derive(Debug)]
pub(crate) struct ConnectionSnapshot<'a, S> {
    pub(crate) socket: &'a S,
    pub(crate) state: State,
    pub(crate) flags: Flags,
    /// Whether the connection has the handler's data: the handler does not know yet that it ended.
    pub(crate) has_data: bool,
    /// The tick at which the connection's timer is due.
    pub(crate) due: Option<u32>,
    /// Whether a message has begun, and must end before a deadline.
    pub(crate) awaits_end: bool,
    /// Whether input that was read waits for the next visit.
    pub(crate) has_unhandled: bool,
    /// Bytes of the connection's compression windows.
    pub(crate) window_bytes: usize,
    /// Bytes in the connection's outbox.
    pub(crate) queued: usize,
    pub(crate) has_side: bool,
    /// Whether the connection has a side record that is empty.
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
            keeps_buffers: self.sessions.streams.pool.can_trim(),
            has_timers: self.sessions.streams.table.next_tick().is_some(),
            refused: self.sessions.refused,
            counted,
            revisits: self.sessions.visits.revisit.len() + self.sessions.visits.postponed.len(),
            unhandled: self.sessions.streams.table.sides().map(|side| side.unhandled.len()).sum(),
            dirty: self.sessions.streams.dirty.len(),
            decisions: self.sessions.app.decisions.taken(),
            is_broadcasting: self.schedule.broadcast.is_some(),
            is_draining: self.schedule.drain.is_some(),
            accepts_at: self.acceptor.retry_at(),
        }
    }

    /// Returns the state of every connection in the table.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionSnapshot<'_, O::Socket>> {
        (0..self.sessions.streams.table.end()).map(ConnIndex::new).filter_map(|at| {
            let (record, side) = self.sessions.streams.table.entry(at)?;
            Some(ConnectionSnapshot {
                socket: &record.socket,
                state: record.state(),
                flags: record.flags,
                has_data: record.data.is_some(),
                due: record.timer.deadline(),
                awaits_end: side.is_some_and(|side| side.message.deadline.is_set()),
                has_unhandled: side.is_some_and(|side| !side.unhandled.is_empty()),
                window_bytes: side.map_or(0, SideRecord::window_bytes),
                queued: side.map_or(0, |side| side.outbox.len()),
                has_side: side.is_some(),
                has_empty_side: side.is_some_and(SideRecord::is_empty),
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

    /// Returns the timeout of the next wait; `None` if it has no timeout.
    pub(crate) fn next_wait(&self) -> Option<Duration> {
        self.timeout()
    }

    /// Returns `true` if mail waits, and loses one entry then. Call it only where waiting mail is reported as a fault.
    pub(crate) fn discards_mail(&self) -> bool {
        self.inbox.take().is_some()
    }
}
