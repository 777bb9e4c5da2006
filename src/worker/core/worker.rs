//! The worker and the phases of its loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::acceptor::{Acceptor, ListenerSlot, is_listener};
use super::schedule::Schedule;
use crate::base::bug;
use crate::base::ticks::{MAX_TIME, micros, time_of};
use crate::budget::{DECISIONS, EVENTS_PER_WAIT, HOUSEKEEPING, RECEIVE_KEEP};
use crate::worker::app::application::App;
use crate::worker::app::decision::Decisions;
use crate::worker::app::handle::Handle;
use crate::worker::app::handler::{Context, Handler};
use crate::worker::app::mailbox::Inbox;
use crate::worker::app::notice::Notice;
use crate::worker::app::shared::Stage;
use crate::worker::app::turn::Turn;
use crate::worker::limits::Limits;
use crate::worker::os::{Os, Ready};
use crate::worker::session::keepalive::Keepalive;
use crate::worker::session::sessions::Sessions;
use crate::worker::session::visits::Visits;
use crate::worker::stream::Streams;
use crate::worker::stream::compression::Codec;

/// The shortest interval between two ticks of the handler, so that a worker can wait between them.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// A worker: one thread's event loop, with everything that it owns.
pub(crate) struct Worker<O: Os, H: Handler> {
    pub(in crate::worker) sessions: Sessions<O, H>,
    handle: Handle,
    pub(in crate::worker) inbox: Inbox,
    pub(in crate::worker) acceptor: Acceptor<O::Listener>,
    ready: Vec<Ready>,
    pub(in crate::worker) schedule: Schedule,
}

/// The parts of a worker.
pub(crate) struct WorkerParts<O: Os, H: Handler> {
    pub(crate) os: O,
    pub(crate) handler: H,
    pub(crate) limits: Limits,
    /// The worker's number among the workers of its server, from 0.
    pub(crate) number: usize,
    pub(crate) handle: Handle,
    pub(crate) inbox: Inbox,
    pub(crate) listeners: Vec<ListenerSlot<O::Listener>>,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Makes a worker and begins to watch its listeners.
    ///
    /// # Errors
    /// When a listener cannot be watched.
    pub(crate) fn new(parts: WorkerParts<O, H>) -> io::Result<Self> {
        let WorkerParts { mut os, handler, limits, number, handle, inbox, listeners } = parts;
        let now = os.now();
        let shared = Arc::clone(&handle.shared);
        let options = listeners.iter().map(|slot| slot.options).collect();
        let acceptor = Acceptor::new(listeners, &mut os)?;
        shared.common.join_group();
        let tick = handler.tick_interval().map(|interval| {
            let interval = interval.clamp(SHORTEST_TICK, MAX_TIME);
            (interval, now + interval)
        });
        let keepalive = Keepalive::new(&limits, &mut os, now);
        let counters = Arc::clone(&shared.workers[number].counters);
        let streams = Streams::new(number, os, now, &limits, options, counters);
        let decisions =
            Decisions::new(Arc::clone(inbox.notifier()), DECISIONS, Arc::clone(&streams.counters));
        let sessions = Sessions {
            number,
            common: Arc::clone(&shared.common),
            streams,
            app: App::new(handler, decisions),
            keepalive,
            codec: Codec::new(limits.deflation),
            visits: Visits::new(limits.work),
            overdue: Vec::new(),
            eviction_cursor: 0,
            refused: 0,
            is_draining: false,
            limits,
        };
        Ok(Self {
            sessions,
            handle,
            inbox,
            acceptor,
            ready: Vec::with_capacity(EVENTS_PER_WAIT),
            schedule: Schedule { tick, ..Schedule::default() },
        })
    }

    /// Runs the loop until the server ends.
    ///
    /// # Errors
    /// When waiting for readiness fails. No peer can cause this.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.iterate()? {}
        Ok(())
    }

    /// Runs one iteration: waits for readiness, and does all work that is due. Returns `false` once the worker has ended.
    ///
    /// The order matters. Mail comes before sockets, so that messages from mail are written together with the replies. Timers come after
    /// sockets, so that a Pong that has arrived counts before its deadline is checked. Writing comes last, so that the output of a
    /// connection is written once, from whichever sources.
    pub(crate) fn iterate(&mut self) -> io::Result<bool> {
        self.wait()?;
        if !self.apply_stage() {
            return Ok(false);
        }
        self.handle_mail();
        self.handle_ready();
        self.sessions.revisit_connections();
        self.accept_connections();
        self.schedule.is_unfinished |= self.sessions.expire_timers();
        self.schedule.is_unfinished |= self.sessions.expire_messages();
        self.schedule.is_unfinished |= self.sessions.rearm_overdue();
        self.tick_handler();
        self.run_turn();
        self.free_unused_memory();
        let open = self.sessions.streams.counters.open.get();
        self.sessions.write_queued();
        // The handler learned of connections that were lost while writing: it may need another turn because of them.
        self.schedule.is_unfinished |= self.sessions.streams.counters.open.get() != open;
        self.sessions.streams.counters.buffered_bytes.set(self.sessions.streams.pool.used() as u64);
        self.sessions.streams.counters.backlog_bytes.set(self.sessions.streams.pool.backlog() as u64);
        self.count_bugs();
        Ok(!self.has_drained())
    }

    pub(in crate::worker) fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        debug_assert!(!self.sessions.streams.receive_buffer.is_deferring(), "a reply outlives its phase");
        self.sessions
            .streams
            .counters
            .loop_us
            .record(micros(self.sessions.streams.os.now().saturating_sub(self.sessions.streams.now)));
        self.sessions.streams.os.wait(timeout, &mut self.ready)?;
        // Acknowledged before the worker reads the stage and the mail, so that a later change of either wakes it again.
        self.inbox.acknowledge();
        self.schedule.is_unfinished = false;
        self.sessions.streams.update_clock();
        self.sessions.streams.counters.waits.add(1);
        Ok(())
    }

    /// Returns the time until the next work is due; `None` if no work is scheduled.
    pub(in crate::worker) fn timeout(&self) -> Option<Duration> {
        if self.schedule.is_unfinished
            || self.sessions.visits.has_queued_visits()
            || self.schedule.broadcast.is_some()
        {
            return Some(Duration::ZERO);
        }
        let due = [
            self.sessions.streams.table.next_tick().map(time_of),
            self.schedule.next(),
            self.acceptor.retry_at(),
        ];
        // The time until then counts from the current time: counted from the iteration's beginning, the sleep would be longer by the
        // iteration's duration.
        due.into_iter().flatten().min().map(|due| due.saturating_sub(self.sessions.streams.os.now()))
    }

    /// Follows the stage of the server: drains the worker, or ends it at once. Returns `false` once the worker has ended.
    pub(in crate::worker) fn apply_stage(&mut self) -> bool {
        match self.sessions.common.stage() {
            Stage::Running => true,
            Stage::Draining => self.drain(),
            Stage::Stopped => {
                self.drop_all();
                false
            }
        }
    }

    fn handle_ready(&mut self) {
        self.sessions.visit_postponed();
        let ready = std::mem::take(&mut self.ready);
        for &event in &ready {
            if is_listener(event.token) {
                self.acceptor.mark_ready(event.token);
            } else {
                self.sessions.handle_socket(event);
            }
        }
        self.ready = ready;
        self.sessions.write_deferred();
    }

    fn tick_handler(&mut self) {
        if let Some((interval, due)) = self.schedule.tick
            && due <= self.sessions.streams.now
        {
            self.schedule.tick = Some((interval, (due + interval).max(self.sessions.streams.now)));
            let open = usize::try_from(self.sessions.streams.counters.open.get()).unwrap_or(usize::MAX);
            let max_message = self.sessions.limits.decoder.max_message;
            let context = Context { worker: self.sessions.number, open, max_message, handle: &self.handle };
            self.sessions.app.handler.iter_mut().for_each(|handler| handler.tick(&context));
        }
    }

    /// Calls the handler's turn, and schedules the next one.
    fn run_turn(&mut self) {
        self.schedule.turn = None;
        let (turn, has_ended) = self.sessions.run_turn();
        self.schedule.is_unfinished |= has_ended || turn == Turn::Again;
        if let Turn::Within(time) = turn {
            self.schedule.turn = Some(self.sessions.streams.now.saturating_add(time));
        }
    }

    /// Counts the faults of this program that the iteration has survived. Sends a notice of the worker's first fault to the log.
    fn count_bugs(&self) {
        let Some((count, what)) = bug::take() else { return };
        let counters = &self.sessions.streams.counters;
        if counters.bugs.get() == 0 {
            self.sessions.common.notices.send(Notice::Bug { worker: self.sessions.number, what });
        }
        counters.bugs.add(count);
    }

    /// Frees unused memory once it is due, and schedules the next time as long as unused memory is left.
    fn free_unused_memory(&mut self) {
        let Sessions { streams, codec, .. } = &mut self.sessions;
        if self.schedule.housekeeping.is_some_and(|due| due <= streams.now) {
            streams.pool.trim();
            streams.table.free_spare();
            codec.trim();
            streams.receive_buffer.trim();
            self.schedule.housekeeping = None;
        }
        // Trimming takes two rounds, and nothing else may wake the worker for the second one.
        let has_unused = streams.pool.can_trim()
            || streams.table.has_spare()
            || codec.can_trim()
            || streams.receive_buffer.can_trim(RECEIVE_KEEP);
        if self.schedule.housekeeping.is_none() && has_unused {
            self.schedule.housekeeping = Some(streams.now + HOUSEKEEPING);
        }
    }
}
