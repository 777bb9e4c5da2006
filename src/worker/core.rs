//! The worker and the phases of its loop.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::accept::{Acceptor, Listening, is_listener};
use super::cadence::Cadence;
use super::compression::{Compressor, Decompressor};
use super::connections::id_of;
use super::counters::Counters;
use super::handle::Handle;
use super::handler::{Context, Handler};
use super::lateness::Lateness;
use super::limits::Limits;
use super::mail::Broadcast;
use super::mailbox::Inbox;
use super::meter::Meter;
use super::os::{Os, Ready};
use super::ping::Seal;
use super::shared::{Common, Stage};
use super::stream::ReceiveBuffer;
use super::table::{ConnId, ConnectionTable, Flags, Timer};
use super::timers::PongTimes;
use super::turn::Ended;
use crate::base::pool::Pool;
use crate::base::ticks::{MAX_TIME, micros, tick_at, time_of};
use crate::budget::{EVENTS_PER_WAIT, HOUSEKEEPING, LANDING_KEEP};

/// The shortest interval between two ticks of the application: a worker is never kept from waiting.
const SHORTEST_TICK: Duration = Duration::from_millis(1);
/// Entries of capacity that a list of connections keeps.
pub(super) const LIST_KEEP: usize = 4096;

/// The connections of a worker.
pub(super) type Connections<O, H> = ConnectionTable<<O as Os>::Socket, <H as Handler>::Data>;

/// One core's event loop with everything it owns.
pub(crate) struct Worker<O: Os, H: Handler> {
    pub(super) os: O,
    /// In its place but during its own turn.
    pub(super) handler: Option<H>,
    /// Connections that ended during the turn.
    pub(super) ended: Vec<Ended<H::Data>>,
    pub(super) limits: Limits,
    pub(super) number: usize,
    handle: Handle,
    pub(super) common: Arc<Common>,
    pub(super) counters: Arc<Counters>,
    pub(super) inbox: Inbox,
    pub(super) acceptor: Acceptor<O::Listener>,

    pub(super) table: Connections<O, H>,
    pub(super) pool: Pool,
    /// From where on side records are looked through for what has to give way.
    pub(super) relief_cursor: usize,

    /// The time at which this iteration began, since the worker's start, and its tick.
    pub(super) now: Duration,
    pub(super) tick: u32,
    /// When connections are pinged; `None`: never.
    pub(super) cadence: Option<Cadence>,
    pub(super) pong_times: PongTimes,
    pub(super) seal: Seal,

    pub(super) receive: ReceiveBuffer,
    /// The last message that did not come whole was a large one.
    pub(super) is_large_expected: bool,
    /// The last read that was more work than a visit may do has not been followed by one that is as long and was not: less is read, so that
    /// less has to be kept.
    pub(super) is_costly_expected: bool,
    pub(super) compressor: Compressor,
    pub(super) decompressor: Decompressor,
    pub(super) meter: Meter,
    /// While a part of what a visit had left is gone on with: how many bytes of it are left again.
    pub(super) left_again: Option<usize>,
    ready: Vec<Ready>,
    pub(super) lateness: Lateness,
    /// Deadlines that have passed and are to be judged once more is read; empty between phases.
    pub(super) overdue: Vec<(ConnId, Timer, u32)>,
    /// Connections that have become ready when the iteration's work was done, to be read from in the next; each is flagged `REVISIT`.
    pub(super) unseen: VecDeque<ConnId>,
    /// Connections to be read from again without a new event; each is flagged `REVISIT`.
    pub(super) revisit: VecDeque<ConnId>,
    /// Connections with queued output to be written in this iteration; each is flagged `DIRTY`.
    pub(super) dirty: Vec<ConnId>,
    /// A broadcast that has not reached every connection. No mail is handled meanwhile, which keeps the order.
    pub(super) broadcast: Option<Broadcast>,
    pub(super) drain: Option<Drain>,

    /// A phase left work undone for want of budget: the next wait does not wait.
    pub(super) unfinished: bool,
    next_housekeeping: Option<Duration>,
    /// The application's tick: its interval and when it is due next.
    next_tick: Option<(Duration, Duration)>,
    /// When the application wants its next turn.
    pub(super) next_turn: Option<Duration>,
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
        Ok(Self {
            next_tick: handler.tick_interval().map(|interval| {
                let interval = interval.clamp(SHORTEST_TICK, MAX_TIME);
                (interval, now + interval)
            }),
            number,
            common: Arc::clone(&shared.common),
            counters: Arc::clone(&shared.workers[number].counters),
            inbox,
            acceptor,
            table: ConnectionTable::new(number, tick_at(now)),
            pool: Pool::new(limits.buffers, limits.least_buffers, limits.spare_buffers, limits.backlog),
            relief_cursor: 0,
            now,
            tick: tick_at(now),
            cadence: limits.ping_interval.map(|interval| Cadence::new(interval, (os.random() >> 32) as u32)),
            pong_times: PongTimes::of(&limits),
            seal: Seal::new(|| os.random()),
            receive: ReceiveBuffer::new(limits.outbox, limits.rules.max_message),
            is_large_expected: false,
            is_costly_expected: false,
            compressor: Compressor::new(limits.deflation),
            decompressor: Decompressor::new(limits.deflation),
            meter: Meter::new(limits.work),
            left_again: None,
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            lateness: Lateness::new(now),
            overdue: Vec::new(),
            unseen: VecDeque::new(),
            revisit: VecDeque::new(),
            dirty: Vec::new(),
            broadcast: None,
            drain: None,
            unfinished: false,
            next_housekeeping: None,
            os,
            handler: Some(handler),
            ended: Vec::new(),
            next_turn: None,
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
        let open = self.counters.open.get();
        self.write_queued();
        // The handler was told of those that were lost: what they leave to do is done in another turn.
        self.unfinished |= self.counters.open.get() != open;
        self.counters.buffered_bytes.set(self.pool.used() as u64);
        self.counters.backlog_bytes.set(self.pool.lent() as u64);
        Ok(!self.has_drained())
    }

    pub(super) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        debug_assert!(!self.receive.is_deferring(), "a reply outlives its phase");
        self.counters.loop_time.record(micros(self.os.now().saturating_sub(self.now)));
        self.os.wait(timeout, &mut self.ready)?;
        // Before anything is looked at that comes with a wake-up, the stage as well as mail: whoever changes it later wakes
        // the worker again.
        self.inbox.acknowledge();
        self.unfinished = false;
        self.now = self.os.now();
        self.tick = tick_at(self.now);
        self.counters.waits.add(1);
        Ok(())
    }

    /// How long nothing is due; `None` for good.
    pub(super) fn timeout(&self) -> Option<Duration> {
        if self.unfinished || !self.unseen.is_empty() || !self.revisit.is_empty() || self.broadcast.is_some()
        {
            return Some(Duration::ZERO);
        }
        let due = [
            self.table.next_tick().map(time_of),
            self.next_housekeeping,
            self.next_tick.map(|(_, due)| due),
            self.next_turn,
            self.acceptor.retry_at(),
            self.drain.as_ref().map(|drain| drain.deadline),
        ];
        // Not from the iteration's beginning: what it took would be slept on top.
        due.into_iter().flatten().min().map(|due| due.saturating_sub(self.os.now()))
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
        let Some(index) = self.table.find(id) else { return };
        if event.writable && self.unblock(index) == Flow::Gone {
            return;
        }
        let may_wait = !self.revisit.is_empty() || !self.unseen.is_empty();
        if !event.readable || (may_wait && self.table.record_mut(index).flags.has(Flags::REVISIT)) {
            // It has its turn among those who wait for another one.
            return;
        }
        if self.meter.is_over() {
            self.table.record_mut(index).flags.set(Flags::REVISIT);
            return self.unseen.push_back(id);
        }
        let _ = self.read_first(index, event.closed);
    }

    /// Reads from those for whom there was no time in the last iteration, who come before those of this one.
    fn look_at_unseen(&mut self) {
        while !self.unseen.is_empty() && !self.meter.is_over() {
            let Some(index) = self.unseen.pop_front().and_then(|id| self.table.find(id)) else { continue };
            self.table.record_mut(index).flags.clear(Flags::REVISIT);
            // What made the connection ready may have included its end: read until nothing is left.
            let _ = self.read_first(index, true);
        }
    }

    fn revisit_connections(&mut self) {
        self.meter.begin_revisits();
        // Those that are queued meanwhile wait for the next iteration.
        for _ in 0..self.revisit.len() {
            if self.meter.is_over() {
                break;
            }
            let Some(id) = self.revisit.pop_front() else { break };
            let Some(index) = self.table.find(id) else { continue };
            self.table.record_mut(index).flags.clear(Flags::REVISIT);
            // The same.
            let _ = self.read(index, true);
        }
        self.write_held();
        for list in [&mut self.unseen, &mut self.revisit] {
            if list.is_empty() && list.capacity() > LIST_KEEP {
                *list = VecDeque::new();
            }
        }
    }

    fn tick_handler(&mut self) {
        if let Some((interval, due)) = self.next_tick
            && due <= self.now
        {
            self.next_tick = Some((interval, (due + interval).max(self.now)));
            let open = usize::try_from(self.counters.open.get()).unwrap_or(usize::MAX);
            let max_message = self.limits.rules.max_message;
            let context = Context { worker: self.number, open, max_message, handle: &self.handle };
            self.handler.iter_mut().for_each(|handler| handler.tick(&context));
        }
    }

    /// Gives unused memory back, as long as there is some.
    fn keep_house(&mut self) {
        if self.next_housekeeping.is_some_and(|due| due <= self.now) {
            self.pool.trim();
            self.table.free_spare();
            self.compressor.trim();
            self.decompressor.trim();
            self.receive.trim();
            self.next_housekeeping = None;
        }
        // Trimming takes two rounds, and there may be no other reason to wake up for the second.
        let has_unused = self.pool.is_holding()
            || self.table.has_spare()
            || self.compressor.is_holding()
            || self.decompressor.is_holding()
            || self.receive.is_holding(LANDING_KEEP);
        if self.next_housekeeping.is_none() && has_unused {
            self.next_housekeeping = Some(self.now + HOUSEKEEPING);
        }
    }
}
