//! The table of a worker's connections: their records, the side records that some of them have, and their timers.

use std::time::Duration;

use super::final_read::TimerKind;
use super::id::{ConnId, ConnIndex, MAX_GENERATION};
use super::message_deadline::MessageDeadline;
use super::outbox::Outbox;
use super::record::Record;
use super::side::{SideId, SideRecord};
use super::tags::State;
use crate::base::pages::PagedSlab;
use crate::base::pool::Pool;
use crate::base::wheel::{Node, Nodes, Wheel};
use crate::budget::RECORDS_PER_PAGE;

/// Side records in one page. They are allocated and freed often, a few hundred at a time.
const SIDES_PER_PAGE: usize = 64;

type RecordSlab<S, D> = PagedSlab<Record<S, D>, RECORDS_PER_PAGE>;
type SideSlab = PagedSlab<SideRecord, SIDES_PER_PAGE>;

/// A worker's connections, found by index and by id.
///
/// A side record belongs to the one connection whose record has its number. Both refer to each other for as long as either exists. A timer
/// is armed in the wheel of its kind exactly while its node, which is in the record or in the side record, says so.
#[derive(Debug)]
pub(in crate::worker) struct ConnectionTable<S, D> {
    /// The worker's number, which is a part of its connections' ids.
    worker: usize,
    records: RecordSlab<S, D>,
    sides: SideSlab,
    timers: Wheel,
    /// Deadlines of incomplete messages, which few connections have at a time. The nodes of this wheel are in side records.
    message_timers: Wheel,
    /// The generation of the next connection.
    next_generation: u32,
}

impl<S, D> ConnectionTable<S, D> {
    /// Makes the empty table of a worker at this tick.
    pub(in crate::worker) fn new(worker: usize, tick: u32) -> Self {
        Self {
            worker,
            records: RecordSlab::default(),
            sides: SideSlab::default(),
            timers: Wheel::new(tick),
            message_timers: Wheel::new(tick),
            next_generation: 0,
        }
    }

    /// Returns the number of connections.
    pub(in crate::worker) const fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns an upper bound of the indices in use: one more than the highest possible at the moment.
    pub(in crate::worker) fn end(&self) -> u32 {
        // At most MAX_CONNECTIONS_PER_WORKER, 2^26.
        u32::try_from(self.records.end()).unwrap_or(u32::MAX)
    }

    /// Adds a connection, assigns it the next generation, and returns its index.
    pub(in crate::worker) fn insert(&mut self, mut record: Record<S, D>) -> ConnIndex {
        record.set_generation(self.next_generation);
        self.next_generation = (self.next_generation + 1) & MAX_GENERATION;
        ConnIndex::new(u32::try_from(self.records.insert(record)).unwrap_or(u32::MAX))
    }

    /// Removes a connection, frees its side record, and disarms its timers. Returns its record, and how many bytes its windows took.
    pub(in crate::worker) fn remove(
        &mut self,
        index: ConnIndex,
        pool: &mut Pool,
    ) -> Option<(Record<S, D>, usize)> {
        self.disarm(index);
        self.clear_message_deadline(index);
        let record = self.records.remove(index.as_usize())?;
        let mut window_bytes = 0;
        if let Some(mut side) = record.side.index().and_then(|at| self.sides.remove(at)) {
            window_bytes = side.window_bytes();
            side.clear(pool);
        }
        Some((record, window_bytes))
    }

    /// Returns the index of the connection with this id, if it still exists.
    pub(in crate::worker) fn find(&self, id: ConnId) -> Option<ConnIndex> {
        let record = self.get(id.index())?;
        (record.generation() == id.generation()).then_some(id.index())
    }

    /// Returns the id of the connection at `index`.
    pub(in crate::worker) fn id(&self, index: ConnIndex) -> ConnId {
        let generation = self.get(index).map_or(0, Record::generation);
        ConnId::new(self.worker, generation, index.get())
    }

    #[inline]
    pub(in crate::worker) fn get(&self, index: ConnIndex) -> Option<&Record<S, D>> {
        self.records.get(index.as_usize())
    }

    #[inline]
    pub(in crate::worker) fn get_mut(&mut self, index: ConnIndex) -> Option<&mut Record<S, D>> {
        self.records.get_mut(index.as_usize())
    }

    /// Returns the record of a connection that is known to exist.
    #[inline]
    pub(in crate::worker) fn record_mut(&mut self, index: ConnIndex) -> &mut Record<S, D> {
        self.get_mut(index).expect("the connection is in the table")
    }

    /// Returns a connection's record with its side record, if it has one.
    #[inline]
    pub(in crate::worker) fn entry(&self, index: ConnIndex) -> Option<(&Record<S, D>, Option<&SideRecord>)> {
        let record = self.records.get(index.as_usize())?;
        Some((record, record.side.index().and_then(|at| self.sides.get(at))))
    }

    /// Returns a connection's record with its side record, if it has one, mutably. The caller must not change the link between the two.
    #[inline]
    pub(in crate::worker) fn entry_mut(
        &mut self,
        index: ConnIndex,
    ) -> Option<(&mut Record<S, D>, Option<&mut SideRecord>)> {
        let record = self.records.get_mut(index.as_usize())?;
        let side = record.side.index().and_then(|at| self.sides.get_mut(at));
        Some((record, side))
    }

    /// Returns whether messages may be exchanged on the connection.
    pub(in crate::worker) fn is_open(&self, index: ConnIndex) -> bool {
        self.get(index).is_some_and(|record| record.state() == State::Open)
    }

    /// Returns a connection's side record, if it has one.
    #[inline]
    pub(in crate::worker) fn side(&self, index: ConnIndex) -> Option<&SideRecord> {
        self.sides.get(self.get(index)?.side.index()?)
    }

    /// Returns a connection's side record, if it has one, mutably.
    #[inline]
    pub(in crate::worker) fn side_mut(&mut self, index: ConnIndex) -> Option<&mut SideRecord> {
        let at = self.get(index)?.side.index()?;
        self.sides.get_mut(at)
    }

    /// Returns a connection's side record; makes one if it has none.
    pub(in crate::worker) fn side_or_new(&mut self, index: ConnIndex) -> &mut SideRecord {
        let Self { records, sides, .. } = self;
        let record = records.get_mut(index.as_usize()).expect("the connection is in the table");
        let at = record.side.index().unwrap_or_else(|| {
            let at = sides.insert(SideRecord::new(index));
            record.side = SideId::new(at);
            at
        });
        sides.get_mut(at).expect("a connection's side record is in its table")
    }

    /// Frees a connection's side record when it is empty.
    pub(in crate::worker) fn free_side(&mut self, index: ConnIndex, pool: &mut Pool) {
        let Some(at) = self.record_mut(index).side.index() else { return };
        if self.sides.get(at).is_none_or(SideRecord::is_empty) {
            self.clear_message_deadline(index);
            self.record_mut(index).side = SideId::NONE;
            if let Some(mut side) = self.sides.remove(at) {
                side.clear(pool);
            }
        }
    }

    /// Returns a connection's outbox, if it has a side record.
    pub(in crate::worker) fn outbox(&self, index: ConnIndex) -> Option<&Outbox> {
        self.side(index).map(|side| &side.outbox)
    }

    /// Returns the side records in up to `most` slots, from the slot `from` on, wrapping around at the end.
    pub(in crate::worker) fn sides_from(
        &self,
        from: usize,
        most: usize,
    ) -> impl Iterator<Item = &SideRecord> {
        let end = self.sides.end();
        (from.min(end)..end).chain(0..from.min(end)).take(most).filter_map(|at| self.sides.get(at))
    }

    /// Returns all side records.
    pub(in crate::worker) fn sides(&self) -> impl Iterator<Item = &SideRecord> {
        self.sides_from(0, usize::MAX)
    }

    /// Returns the number of slots of side records.
    pub(in crate::worker) const fn side_slots(&self) -> usize {
        self.sides.end()
    }

    /// Returns the number of side records.
    #[cfg(any(test, feature = "simulation"))]
    pub(in crate::worker) const fn sides_len(&self) -> usize {
        self.sides.len()
    }

    /// Returns whether the table keeps unused pages.
    pub(in crate::worker) const fn has_spare(&self) -> bool {
        self.records.has_spare() || self.sides.has_spare()
    }

    /// Frees unused pages.
    pub(in crate::worker) fn free_spare(&mut self) {
        self.records.free_spare();
        self.sides.free_spare();
    }
}

/// A connection's timer, which is armed for the earliest of its deadlines.
impl<S, D> ConnectionTable<S, D> {
    /// Arms a connection's timer for a tick.
    pub(in crate::worker) fn arm(&mut self, index: ConnIndex, deadline: u32) {
        self.timers.arm(&mut self.records, index.get(), deadline);
    }

    /// Arms a connection's timer for the tick `deadline`, and makes it expire at the tick `expires_at`, or later.
    pub(in crate::worker) fn postpone(&mut self, index: ConnIndex, deadline: u32, expires_at: u32) {
        self.timers.postpone(&mut self.records, index.get(), deadline, expires_at);
    }

    pub(in crate::worker) fn disarm(&mut self, index: ConnIndex) {
        if self.get(index).is_some() {
            self.timers.disarm(&mut self.records, index.get());
        }
    }

    /// Disarms the first timer that is due at the tick `now`. Returns the index of its connection and the tick at which it was due.
    pub(in crate::worker) fn expire(&mut self, now: u32) -> Option<(ConnIndex, u32)> {
        let (index, due) = self.timers.expire(&mut self.records, now)?;
        Some((ConnIndex::new(index), due))
    }

    /// Returns the first tick up to `now` at which a timer may be due.
    pub(in crate::worker) fn first_due(&self, now: u32) -> Option<u32> {
        self.timers.first_due(now)
    }

    /// Returns the next tick at which a timer of either kind may be due.
    pub(in crate::worker) fn next_tick(&self) -> Option<u32> {
        let ticks = [self.timers.next_tick(), self.message_timers.next_tick()];
        ticks.into_iter().flatten().min()
    }
}

/// The deadline of an incomplete message.
impl<S, D> ConnectionTable<S, D> {
    /// Starts the deadline of an incomplete message, `time` from now. It is suspended from the beginning if `is_suspended` is set.
    pub(in crate::worker) fn start_message_deadline(
        &mut self,
        index: ConnIndex,
        now: impl FnOnce() -> Duration,
        time: Duration,
        is_suspended: bool,
    ) {
        self.change_message_deadline(index, |deadline| deadline.start(now(), time, is_suspended));
    }

    /// Suspends the deadline: the connection is not read from any more.
    pub(in crate::worker) fn suspend_message_deadline(
        &mut self,
        index: ConnIndex,
        now: impl FnOnce() -> Duration,
    ) {
        self.change_message_deadline(index, |deadline| deadline.suspend(now()));
    }

    /// Resumes the deadline: the connection is read from again.
    pub(in crate::worker) fn resume_message_deadline(
        &mut self,
        index: ConnIndex,
        now: impl FnOnce() -> Duration,
    ) {
        self.change_message_deadline(index, |deadline| deadline.resume(now()));
    }

    /// Returns the next tick at which the timer of a message may be due.
    #[cfg(test)]
    pub(in crate::worker) fn next_message_tick(&self) -> Option<u32> {
        self.message_timers.next_tick()
    }

    /// Ends the deadline: no message is incomplete any more.
    pub(in crate::worker) fn clear_message_deadline(&mut self, index: ConnIndex) {
        let Some(at) = self.side_slot(index) else { return };
        let Some(side) = self.sides.get_mut(at as usize).filter(|side| side.message.deadline.is_set()) else {
            return;
        };
        side.final_reads.clear(TimerKind::Message);
        side.message.deadline.clear();
        self.message_timers.disarm(&mut self.sides, at);
    }

    /// Disarms the first timer of a message that is due at the tick `now`. Returns the index of its connection and the tick at which it was
    /// due.
    pub(in crate::worker) fn expire_message_timer(&mut self, now: u32) -> Option<(ConnIndex, u32)> {
        let (at, due) = self.message_timers.expire(&mut self.sides, now)?;
        self.sides.get(at as usize).map(|side| (side.owner(), due))
    }

    /// Arms the timer of a message again, which was due at the tick `due` and is to be enforced at the tick `expires_at`.
    pub(in crate::worker) fn postpone_message_timer(&mut self, index: ConnIndex, due: u32, expires_at: u32) {
        if let Some(at) = self.side_slot(index)
            && self.sides.get(at as usize).is_some_and(|side| side.message.deadline.is_overdue())
        {
            self.message_timers.postpone(&mut self.sides, at, due, expires_at);
        }
    }

    fn change_message_deadline(&mut self, index: ConnIndex, set: impl FnOnce(&mut MessageDeadline)) {
        let Some(at) = self.side_slot(index) else { return };
        let Some(side) = self.sides.get_mut(at as usize) else { return };
        set(&mut side.message.deadline);
        match side.message.deadline.tick() {
            Some(deadline) => self.message_timers.arm(&mut self.sides, at, deadline),
            None => self.message_timers.disarm(&mut self.sides, at),
        }
    }

    fn side_slot(&self, index: ConnIndex) -> Option<u32> {
        let at = self.get(index)?.side.index()?;
        u32::try_from(at).ok()
    }
}

impl<S, D> Nodes for RecordSlab<S, D> {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a record").timer
    }
}

impl Nodes for SideSlab {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a side record").message.deadline.timer
    }
}
