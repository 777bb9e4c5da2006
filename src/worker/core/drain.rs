//! The orderly end of a worker.

use super::schedule::Drain;
use super::worker::Worker;
use crate::worker::app::closed::Closed;
use crate::worker::app::handler::Handler;
use crate::worker::app::slices::{SliceBudget, SliceCursor};
use crate::worker::os::Os;
use crate::worker::session::close::GOING_AWAY;
use crate::worker::table::ConnIndex;

impl<O: Os, H: Handler> Worker<O, H> {
    /// Ends the worker in order: refuses new connections, closes open connections a slice at a time, and waits for the peers until the
    /// deadline. Returns `false` once the deadline has passed and the remaining connections are dropped.
    pub(in crate::worker) fn drain(&mut self) -> bool {
        if self.schedule.drain.is_none() {
            self.acceptor.leave();
            self.sessions.is_draining = true;
            let deadline = self.sessions.streams.os.now() + self.sessions.common.drain_time();
            self.schedule.drain = Some(Drain { deadline, cursor: SliceCursor::default(), is_last: false });
        }
        let Some(drain) = &mut self.schedule.drain else { return true };
        if self.sessions.streams.now >= drain.deadline && !std::mem::replace(&mut drain.is_last, true) {
            drain.cursor = SliceCursor::default();
        }
        let Drain { cursor, is_last, .. } = drain;
        let is_last = *is_last;
        cursor.set_end(self.sessions.streams.table.end());
        let mut budget = SliceBudget::of_steps(self.sessions.limits.budgets.slice as usize);
        cursor.advance(cursor.rest().map(ConnIndex::new), &mut budget, |at, budget| {
            budget.step();
            if self.sessions.streams.table.get(at).is_some() {
                let _ = self.sessions.close_for_drain(at, is_last);
            }
        });
        if cursor.rest().start < self.sessions.streams.table.end() {
            self.schedule.is_unfinished = true;
        } else if is_last {
            self.drop_all();
            return false;
        }
        true
    }

    /// Returns `true` if an orderly end is complete: no connection is left, and no listener is open.
    pub(in crate::worker) fn has_drained(&self) -> bool {
        self.schedule.drain.is_some()
            && self.sessions.streams.table.len() == 0
            && !self.acceptor.is_listening()
    }

    /// Drops the remaining connections.
    pub(in crate::worker) fn drop_all(&mut self) {
        for at in (0..self.sessions.streams.table.end()).map(ConnIndex::new) {
            if self.sessions.streams.table.get(at).is_some() {
                let _ = self.sessions.drop_connection(at, Closed::ByUs(GOING_AWAY.into()));
            }
        }
        // The iteration ends here, before the point at which it sets these gauges.
        self.sessions.streams.counters.buffered_bytes.set(self.sessions.streams.pool.used() as u64);
        self.sessions.streams.counters.backlog_bytes.set(self.sessions.streams.pool.backlog() as u64);
    }
}
