//! The table of a worker's connections: their records, what some of them have beside it, and when each is due.

use std::time::Duration;

use super::final_read::Timer;
use super::id::{ConnId, MAX_GENERATION};
use super::message_clock::MessageClock;
use super::outbox::Outbox;
use super::record::Record;
use super::side::{Side, SideId};
use super::tags::State;
use crate::base::pages::PagedSlab;
use crate::base::pool::Pool;
use crate::base::wheel::{Node, Nodes, Wheel};
use crate::budget::RECORDS_PER_PAGE;

/// Side records in one page: they come and go, a few hundred at a time.
const SIDES_PER_PAGE: usize = 64;

type Records<S, D> = PagedSlab<Record<S, D>, RECORDS_PER_PAGE>;
type Sides = PagedSlab<Side, SIDES_PER_PAGE>;

/// A worker's connections, found by index and by id.
///
/// A side record belongs to the one connection whose record has its number, and both know of each other for as long as either is there.
/// A timer is armed in the wheel of its kind exactly while its node, which is in the record or in the side record, says so.
#[derive(Debug)]
pub(in crate::worker) struct ConnectionTable<S, D> {
    /// The worker's number, a part of its connections' ids.
    worker: usize,
    records: Records<S, D>,
    sides: Sides,
    timers: Wheel,
    /// Deadlines of messages that have begun, which few connections have at a time: its nodes are in their side records.
    message_timers: Wheel,
    /// What the next connection gets.
    next_generation: u32,
}

impl<S, D> ConnectionTable<S, D> {
    /// The empty table of a worker, at this tick.
    pub(in crate::worker) fn new(worker: usize, tick: u32) -> Self {
        Self {
            worker,
            records: Records::default(),
            sides: Sides::default(),
            timers: Wheel::new(tick),
            message_timers: Wheel::new(tick),
            next_generation: 0,
        }
    }

    /// How many connections there are.
    pub(in crate::worker) const fn len(&self) -> usize {
        self.records.len()
    }

    /// One past the highest index there can be now.
    pub(in crate::worker) fn end(&self) -> u32 {
        // At most MAX_CONNECTIONS_PER_WORKER, 2^26.
        u32::try_from(self.records.end()).unwrap_or(u32::MAX)
    }

    /// Adds a connection, which gets a generation of its own, and returns its index.
    pub(in crate::worker) fn insert(&mut self, mut record: Record<S, D>) -> u32 {
        record.set_generation(self.next_generation);
        self.next_generation = (self.next_generation + 1) & MAX_GENERATION;
        u32::try_from(self.records.insert(record)).unwrap_or(u32::MAX)
    }

    /// Takes a connection out, frees its side record, and disarms its timers. Returns its record, and how many bytes its windows took.
    pub(in crate::worker) fn remove(&mut self, index: u32, pool: &mut Pool) -> Option<(Record<S, D>, usize)> {
        self.disarm(index);
        self.end_message(index);
        let record = self.records.remove(index as usize)?;
        let mut context_bytes = 0;
        if let Some(mut side) = record.side.index().and_then(|at| self.sides.remove(at)) {
            context_bytes = side.context_bytes();
            side.clear(pool);
        }
        Some((record, context_bytes))
    }

    /// The index of the connection with this id, if it is still there.
    pub(in crate::worker) fn find(&self, id: ConnId) -> Option<u32> {
        let record = self.get(id.index())?;
        (record.generation() == id.generation()).then_some(id.index())
    }

    /// The id of the connection at `index`.
    pub(in crate::worker) fn id(&self, index: u32) -> ConnId {
        let generation = self.get(index).map_or(0, Record::generation);
        ConnId::new(self.worker, generation, index)
    }

    #[inline]
    pub(in crate::worker) fn get(&self, index: u32) -> Option<&Record<S, D>> {
        self.records.get(index as usize)
    }

    #[inline]
    pub(in crate::worker) fn get_mut(&mut self, index: u32) -> Option<&mut Record<S, D>> {
        self.records.get_mut(index as usize)
    }

    /// The record of a connection that was just found.
    #[inline]
    pub(in crate::worker) fn record_mut(&mut self, index: u32) -> &mut Record<S, D> {
        self.get_mut(index).expect("the connection is in the table")
    }

    /// A connection's record with its side record, if it has one.
    #[inline]
    pub(in crate::worker) fn entry(&self, index: u32) -> Option<(&Record<S, D>, Option<&Side>)> {
        let record = self.records.get(index as usize)?;
        Some((record, record.side.index().and_then(|at| self.sides.get(at))))
    }

    /// A connection's record with its side record, if it has one, to change. The link between the two stays.
    #[inline]
    pub(in crate::worker) fn entry_mut(
        &mut self,
        index: u32,
    ) -> Option<(&mut Record<S, D>, Option<&mut Side>)> {
        let record = self.records.get_mut(index as usize)?;
        let side = record.side.index().and_then(|at| self.sides.get_mut(at));
        Some((record, side))
    }

    /// Whether messages may pass.
    pub(in crate::worker) fn is_open(&self, index: u32) -> bool {
        self.get(index).is_some_and(|record| record.state() == State::Open)
    }

    /// A connection's side record, if it has one.
    #[inline]
    pub(in crate::worker) fn side(&self, index: u32) -> Option<&Side> {
        self.sides.get(self.get(index)?.side.index()?)
    }

    /// A connection's side record, if it has one, to change.
    #[inline]
    pub(in crate::worker) fn side_mut(&mut self, index: u32) -> Option<&mut Side> {
        let at = self.get(index)?.side.index()?;
        self.sides.get_mut(at)
    }

    /// A connection's side record; a new one where it had none.
    pub(in crate::worker) fn side_or_new(&mut self, index: u32) -> &mut Side {
        let Self { records, sides, .. } = self;
        let record = records.get_mut(index as usize).expect("the connection is in the table");
        let at = record.side.index().unwrap_or_else(|| {
            let at = sides.insert(Side::new(index));
            record.side = SideId::new(at);
            at
        });
        sides.get_mut(at).expect("a connection's side record is in its table")
    }

    /// Frees a connection's side record when there is nothing in it.
    pub(in crate::worker) fn free_side(&mut self, index: u32, pool: &mut Pool) {
        let Some(at) = self.record_mut(index).side.index() else { return };
        if self.sides.get(at).is_none_or(Side::is_empty) {
            self.end_message(index);
            self.record_mut(index).side = SideId::NONE;
            if let Some(mut side) = self.sides.remove(at) {
                side.clear(pool);
            }
        }
    }

    /// A connection's output that waits, if it has had any.
    pub(in crate::worker) fn outbox(&self, index: u32) -> Option<&Outbox> {
        self.side(index).map(|side| &side.outbox)
    }

    /// All side records, from the slot `from` on and around, at most so many slots of them.
    pub(in crate::worker) fn sides_from(&self, from: usize, most: usize) -> impl Iterator<Item = &Side> {
        let end = self.sides.end();
        (from.min(end)..end).chain(0..from.min(end)).take(most).filter_map(|at| self.sides.get(at))
    }

    /// All side records.
    pub(in crate::worker) fn sides(&self) -> impl Iterator<Item = &Side> {
        self.sides_from(0, usize::MAX)
    }

    /// Slots of side records.
    pub(in crate::worker) const fn side_slots(&self) -> usize {
        self.sides.end()
    }

    /// How many side records there are.
    #[cfg(any(test, feature = "simulation"))]
    pub(in crate::worker) const fn sides_len(&self) -> usize {
        self.sides.len()
    }

    /// Whether memory is kept that nothing is in.
    pub(in crate::worker) const fn has_spare(&self) -> bool {
        self.records.has_spare() || self.sides.has_spare()
    }

    /// Gives that memory back.
    pub(in crate::worker) fn free_spare(&mut self) {
        self.records.free_spare();
        self.sides.free_spare();
    }
}

/// A connection's timer: the earliest of its deadlines.
impl<S, D> ConnectionTable<S, D> {
    /// Arms a connection's timer for a tick.
    pub(in crate::worker) fn arm(&mut self, index: u32, deadline: u32) {
        self.timers.arm(&mut self.records, index, deadline);
    }

    /// Arms it for the tick `deadline`, and has it expire at the tick `seen_at`, or later.
    pub(in crate::worker) fn put_off(&mut self, index: u32, deadline: u32, seen_at: u32) {
        self.timers.put_off(&mut self.records, index, deadline, seen_at);
    }

    pub(in crate::worker) fn disarm(&mut self, index: u32) {
        if self.get(index).is_some() {
            self.timers.disarm(&mut self.records, index);
        }
    }

    /// Disarms the first timer that is due at the tick `now`, and returns its connection and the tick it was due at.
    pub(in crate::worker) fn expire(&mut self, now: u32) -> Option<(u32, u32)> {
        self.timers.expire(&mut self.records, now)
    }

    /// The tick at which the first of the timers is due that are due at the tick `now`.
    pub(in crate::worker) fn first_due(&self, now: u32) -> Option<u32> {
        self.timers.first_due(now)
    }

    /// The tick at which a timer of either kind is to be looked at next.
    pub(in crate::worker) fn next_tick(&self) -> Option<u32> {
        let ticks = [self.timers.next_tick(), self.message_timers.next_tick()];
        ticks.into_iter().flatten().min()
    }
}

/// The time of a message that has begun to arrive.
impl<S, D> ConnectionTable<S, D> {
    /// Gives a message that has begun its time, from now on; none of it passes as long as it `stands`.
    pub(in crate::worker) fn begin_message(
        &mut self,
        index: u32,
        now: impl FnOnce() -> Duration,
        time: Duration,
        stands: bool,
    ) {
        self.set_message_clock(index, |clock| clock.begin(now(), time, stands));
    }

    /// From now on the connection is not read from.
    pub(in crate::worker) fn stop_message(&mut self, index: u32, now: impl FnOnce() -> Duration) {
        self.set_message_clock(index, |clock| clock.stop(now()));
    }

    /// From now on the connection is read from again.
    pub(in crate::worker) fn resume_message(&mut self, index: u32, now: impl FnOnce() -> Duration) {
        self.set_message_clock(index, |clock| clock.go_on(now()));
    }

    /// The tick at which a timer of a message is to be looked at next.
    #[cfg(test)]
    pub(in crate::worker) fn next_message_tick(&self) -> Option<u32> {
        self.message_timers.next_tick()
    }

    /// No message is under way any more.
    pub(in crate::worker) fn end_message(&mut self, index: u32) {
        let Some(at) = self.side_slot(index) else { return };
        let Some(side) = self.sides.get_mut(at as usize).filter(|side| side.message.clock.is_under_way())
        else {
            return;
        };
        side.final_reads.forget(Timer::Message);
        side.message.clock.forget();
        self.message_timers.disarm(&mut self.sides, at);
    }

    /// Disarms the first timer of a message that is due at the tick `now`, and returns its connection and the tick it was due at.
    pub(in crate::worker) fn expire_message(&mut self, now: u32) -> Option<(u32, u32)> {
        let (at, due) = self.message_timers.expire(&mut self.sides, now)?;
        self.sides.get(at as usize).map(|side| (side.owner(), due))
    }

    /// Arms the timer again of a message that was due at the tick `due`, and is to be judged at the tick `seen_at`.
    pub(in crate::worker) fn put_message_off(&mut self, index: u32, due: u32, seen_at: u32) {
        if let Some(at) = self.side_slot(index)
            && self.sides.get(at as usize).is_some_and(|side| side.message.clock.is_overdue())
        {
            self.message_timers.put_off(&mut self.sides, at, due, seen_at);
        }
    }

    fn set_message_clock(&mut self, index: u32, set: impl FnOnce(&mut MessageClock)) {
        let Some(at) = self.side_slot(index) else { return };
        let Some(side) = self.sides.get_mut(at as usize) else { return };
        set(&mut side.message.clock);
        match side.message.clock.deadline() {
            Some(deadline) => self.message_timers.arm(&mut self.sides, at, deadline),
            None => self.message_timers.disarm(&mut self.sides, at),
        }
    }

    fn side_slot(&self, index: u32) -> Option<u32> {
        let at = self.get(index)?.side.index()?;
        u32::try_from(at).ok()
    }
}

impl<S, D> Nodes for Records<S, D> {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a record").timer
    }
}

impl Nodes for Sides {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.get_mut(index as usize).expect("an armed timer has a side record").message.clock.timer
    }
}
