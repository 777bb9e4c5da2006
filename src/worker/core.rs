//! The worker and the phases of its loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::accept::{Acceptor, Listening, is_listener};
use super::compression::Codec;
use super::connections::id_of;
use super::handle::Handle;
use super::handler::{Context, Handler};
use super::keepalive::Keepalive;
use super::limits::Limits;
use super::mail::Broadcast;
use super::mailbox::Inbox;
use super::os::{Os, Ready};
use super::schedule::Schedule;
use super::shared::{Common, Stage};
use super::stream::Streams;
use super::table::{ConnId, Flags, Timer};
use super::turn::Ended;
use super::visits::Visits;
use crate::base::ticks::{MAX_TIME, micros, time_of};
use crate::budget::{EVENTS_PER_WAIT, HOUSEKEEPING, LANDING_KEEP};

/// The shortest interval between two ticks of the application: a worker is never kept from waiting.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// One core's event loop with everything it owns.
pub(crate) struct Worker<O: Os, H: Handler> {
    /// In its place but during its own turn.
    pub(super) handler: Option<H>,
    /// Connections that ended during the turn.
    pub(super) ended: Vec<Ended<H::Data>>,
    pub(super) limits: Limits,
    pub(super) number: usize,
    handle: Handle,
    pub(super) common: Arc<Common>,
    pub(super) inbox: Inbox,
    pub(super) acceptor: Acceptor<O::Listener>,

    /// From where on side records are looked through for what has to give way.
    pub(super) relief_cursor: usize,

    pub(super) keepalive: Keepalive,

    pub(super) streams: Streams<O, H::Data>,
    pub(super) codec: Codec,
    pub(super) visits: Visits,
    ready: Vec<Ready>,
    /// Deadlines that have passed and are to be judged once more is read; empty between phases.
    pub(super) overdue: Vec<(ConnId, Timer, u32)>,
    /// A broadcast that has not reached every connection. No mail is handled meanwhile, which keeps the order.
    pub(super) broadcast: Option<Broadcast>,
    pub(super) drain: Option<Drain>,
    pub(super) schedule: Schedule,
}

/// The end of a worker, in order.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) deadline: Duration,
    /// Connections below this index have been told.
    pub(super) cursor: u32,
    /// The deadline has passed: who is behind the cursor has been looked at for the last time.
    pub(super) is_last: bool,
}

/// Whether a connection is still in the table after what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Flow {
    Alive,
    Gone,
}

/// The parts of a worker.
pub(crate) struct Assembly<O: Os, H: Handler> {
    pub(crate) os: O,
    pub(crate) handler: H,
    pub(crate) limits: Limits,
    /// The worker's number among those of its server.
    pub(crate) number: usize,
    pub(crate) handle: Handle,
    pub(crate) inbox: Inbox,
    pub(crate) listeners: Vec<Listening<O::Listener>>,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Puts a worker together and watches its listeners.
    ///
    /// # Errors
    /// When a listener cannot be watched.
    pub(crate) fn new(parts: Assembly<O, H>) -> io::Result<Self> {
        let Assembly { mut os, handler, limits, number, handle, inbox, listeners } = parts;
        let now = os.now();
        let shared = Arc::clone(&handle.shared);
        let acceptor = Acceptor::new(listeners, &mut os)?;
        shared.common.join_group();
        let tick = handler.tick_interval().map(|interval| {
            let interval = interval.clamp(SHORTEST_TICK, MAX_TIME);
            (interval, now + interval)
        });
        let keepalive = Keepalive::new(&limits, &mut os, now);
        let counters = Arc::clone(&shared.workers[number].counters);
        let streams = Streams::new(number, os, now, &limits, counters);
        Ok(Self {
            schedule: Schedule { tick, ..Schedule::default() },
            number,
            common: Arc::clone(&shared.common),
            inbox,
            acceptor,
            relief_cursor: 0,
            keepalive,
            streams,
            codec: Codec::new(limits.deflation),
            visits: Visits::new(limits.work),
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            overdue: Vec::new(),
            broadcast: None,
            drain: None,
            handler: Some(handler),
            ended: Vec::new(),
            limits,
            handle,
        })
    }

    /// Runs until the server's end.
    ///
    /// # Errors
    /// When waiting for readiness fails, which no peer can bring about.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.iterate()? {}
        Ok(())
    }

    /// One iteration: waits, and does what there is to do. `false` once the worker has ended.
    ///
    /// The order matters. Mail comes before sockets, so that what it queues leaves together with the replies. Timers come after
    /// sockets, so that a Pong that has arrived counts before its deadline is judged. Writing comes last, so that a connection
    /// is written to once, whatever its output came from.
    pub(crate) fn iterate(&mut self) -> io::Result<bool> {
        self.wait()?;
        if !self.follow_stage() {
            return Ok(false);
        }
        self.handle_mail();
        self.handle_ready();
        self.revisit_connections();
        self.accept_connections();
        self.expire_timers();
        self.expire_messages();
        self.put_overdue_back();
        self.tick_handler();
        self.take_turn();
        self.keep_house();
        let open = self.streams.counters.open.get();
        self.write_queued();
        // The handler was told of those that were lost: what they leave to do is done in another turn.
        self.schedule.is_unfinished |= self.streams.counters.open.get() != open;
        self.streams.counters.buffered_bytes.set(self.streams.pool.used() as u64);
        self.streams.counters.backlog_bytes.set(self.streams.pool.lent() as u64);
        Ok(!self.has_drained())
    }

    pub(super) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        debug_assert!(!self.streams.receive.is_deferring(), "a reply outlives its phase");
        self.streams
            .counters
            .loop_time
            .record(micros(self.streams.os.now().saturating_sub(self.streams.now)));
        self.streams.os.wait(timeout, &mut self.ready)?;
        // Before anything is looked at that comes with a wake-up, the stage as well as mail: whoever changes it later wakes
        // the worker again.
        self.inbox.acknowledge();
        self.schedule.is_unfinished = false;
        self.streams.look_at_clock();
        self.streams.counters.waits.add(1);
        Ok(())
    }

    /// How long nothing is due; `None` for good.
    pub(super) fn timeout(&self) -> Option<Duration> {
        if self.schedule.is_unfinished || self.visits.are_waiting() || self.broadcast.is_some() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.streams.table.next_tick().map(time_of),
            self.schedule.next(),
            self.acceptor.retry_at(),
            self.drain.as_ref().map(|drain| drain.deadline),
        ];
        // Not from the iteration's beginning: what it took would be slept on top.
        due.into_iter().flatten().min().map(|due| due.saturating_sub(self.streams.os.now()))
    }

    /// Ends the worker, or begins to, when the server does.
    pub(super) fn follow_stage(&mut self) -> bool {
        match self.common.stage() {
            Stage::Running => true,
            Stage::Draining => self.drain(),
            Stage::Stopped => {
                self.abandon_all();
                false
            }
        }
    }

    fn handle_ready(&mut self) {
        self.look_at_unseen();
        let ready = std::mem::take(&mut self.ready);
        for &event in &ready {
            if is_listener(event.token) {
                self.acceptor.mark_ready(event.token);
            } else {
                self.handle_socket(event);
            }
        }
        self.ready = ready;
        self.write_held();
    }

    fn handle_socket(&mut self, event: Ready) {
        let id = id_of(self.number, event.token);
        self.let_go(id);
        let Some(index) = self.streams.table.find(id) else { return };
        if event.writable && self.unblock(index) == Flow::Gone {
            return;
        }
        let may_wait = self.visits.are_waiting();
        if !event.readable || (may_wait && self.streams.table.record_mut(index).flags.has(Flags::REVISIT)) {
            // It has its turn among those who wait for another one.
            return;
        }
        if self.visits.meter.is_over() {
            self.streams.table.record_mut(index).flags.set(Flags::REVISIT);
            return self.visits.unseen.push_back(id);
        }
        let _ = self.read_first(index, event.closed);
    }

    /// Reads from those for whom there was no time in the last iteration, who come before those of this one.
    fn look_at_unseen(&mut self) {
        while !self.visits.unseen.is_empty() && !self.visits.meter.is_over() {
            let Some(index) = self.visits.unseen.pop_front().and_then(|id| self.streams.table.find(id))
            else {
                continue;
            };
            self.streams.table.record_mut(index).flags.clear(Flags::REVISIT);
            // What made the connection ready may have included its end: read until nothing is left.
            let _ = self.read_first(index, true);
        }
    }

    fn revisit_connections(&mut self) {
        self.visits.meter.begin_revisits();
        // Those that are queued meanwhile wait for the next iteration.
        for _ in 0..self.visits.revisit.len() {
            if self.visits.meter.is_over() {
                break;
            }
            let Some(id) = self.visits.revisit.pop_front() else { break };
            let Some(index) = self.streams.table.find(id) else { continue };
            self.streams.table.record_mut(index).flags.clear(Flags::REVISIT);
            // The same.
            let _ = self.read(index, true);
        }
        self.write_held();
        self.visits.give_back();
    }

    fn tick_handler(&mut self) {
        if let Some((interval, due)) = self.schedule.tick
            && due <= self.streams.now
        {
            self.schedule.tick = Some((interval, (due + interval).max(self.streams.now)));
            let open = usize::try_from(self.streams.counters.open.get()).unwrap_or(usize::MAX);
            let max_message = self.limits.rules.max_message;
            let context = Context { worker: self.number, open, max_message, handle: &self.handle };
            self.handler.iter_mut().for_each(|handler| handler.tick(&context));
        }
    }

    /// Gives unused memory back, as long as there is some.
    fn keep_house(&mut self) {
        if self.schedule.housekeeping.is_some_and(|due| due <= self.streams.now) {
            self.streams.pool.trim();
            self.streams.table.free_spare();
            self.codec.trim();
            self.streams.receive.trim();
            self.schedule.housekeeping = None;
        }
        // Trimming takes two rounds, and there may be no other reason to wake up for the second.
        let has_unused = self.streams.pool.is_holding()
            || self.streams.table.has_spare()
            || self.codec.is_holding()
            || self.streams.receive.is_holding(LANDING_KEEP);
        if self.schedule.housekeeping.is_none() && has_unused {
            self.schedule.housekeeping = Some(self.streams.now + HOUSEKEEPING);
        }
    }
}
