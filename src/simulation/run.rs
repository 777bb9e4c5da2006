//! A run: one worker, its clients, and steps that are drawn until the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::choices::Choices;
use super::injection::FaultInjection;
use super::model::Model;
use super::net::{Net, Wakes};
use super::setup::Setup;
use super::world::World;
use crate::base::ticks::TICK;
use crate::metrics::Counters;
use crate::worker::{Flags, Handle, Worker};

/// The most iterations until the worker is idle: far more than any work takes, even frame by frame, so that only an endless loop exceeds
/// it.
const MOST_ITERATIONS: usize = 100_000;

/// A run in progress.
pub(crate) struct Run {
    pub(crate) choices: Choices,
    pub(crate) worker: Worker<Net, App>,
    pub(crate) handle: Handle,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) model: Rc<RefCell<Model>>,
    wakes: Arc<Wakes>,
    pub(crate) is_alive: bool,
    /// Consecutive iterations that did no work and did not sleep.
    idle: usize,
    pub(crate) idle_checks: usize,
    /// The numbers of the clients that take part; `watched` has the clients with open sockets.
    pub(crate) live: Vec<usize>,
    watched: Vec<usize>,
}

/// A description of why a run ended early.
pub(crate) type Violation = String;

impl Run {
    pub(crate) fn new(mut setup: Setup, choices: &Choices) -> Self {
        let bits = choices.bits();
        setup.set_deferral(bits);
        let mut world = World::new(bits);
        world.free_descriptors = setup.descriptors;
        world.most_events = setup.limits.budgets.events;
        world.injection =
            Some(FaultInjection { choices: choices.clone(), arrivals: setup.arrivals, waits: setup.waits });
        let listener = world.add_listener();
        let now = world.now;
        let world = Rc::new(RefCell::new(world));
        let (limits, tick_interval, has_other_workers) =
            (setup.limits.clone(), setup.tick_interval, setup.has_other_workers);
        let model = Rc::new(RefCell::new(Model::new(setup, now)));
        let wakes = Arc::new(Wakes::default());
        let os = Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) };
        let make_app = |handle: &Handle| App {
            model: Rc::clone(&model),
            world: Rc::clone(&world),
            handle: handle.clone(),
            tick_interval,
        };
        let alone = Worker::standalone(os, listener, Box::new(Arc::clone(&wakes)), limits, make_app);
        let (worker, handle) = alone.expect("the simulated listener can be watched");
        if has_other_workers {
            handle.shared.common.join_group();
        }
        Self {
            choices: choices.clone(),
            worker,
            handle,
            world,
            model,
            wakes,
            is_alive: true,
            idle: 0,
            idle_checks: 0,
            live: Vec::new(),
            watched: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.world.borrow().now
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.handle.shared.workers[0].counters
    }

    pub(crate) fn joined(&mut self, number: usize) {
        self.live.push(number);
        self.watched.push(number);
    }

    /// Runs one iteration of the worker and compares its effects with the model.
    pub(crate) fn iterate(&mut self) -> Result<(), Violation> {
        let (calls, edges, now) = {
            let world = self.world.borrow();
            (world.calls, world.edges.len(), world.now)
        };
        self.model.borrow_mut().now = now;
        let posted = self.model.borrow().mailbox_len;
        let (given, unhandled) = (self.counters().messages_in.get(), self.worker.inventory().unhandled);
        self.is_alive = self.worker.iterate().map_err(|error| format!("the worker ended: {error}"))?;
        self.check()?;
        let world = self.world.borrow();
        let busy = world.calls > calls || world.edges.len() != edges || world.now > now || posted > 0;
        // The worker decompresses data and handles unread input without a system call.
        let busy = busy
            || self.counters().messages_in.get() > given
            || self.worker.inventory().unhandled != unhandled;
        // A wait that a signal interrupts shows nothing.
        self.idle = match busy || world.would_sleep {
            true => 0,
            false => self.idle + usize::from(!world.interrupted),
        };
        // Each kind of work may take one iteration that turns out to have none, and the limit leaves room for more.
        if self.idle > 40 { Err("the loop spins".into()) } else { Ok(()) }
    }

    /// Checks the effects of the last iteration against the model.
    fn check(&mut self) -> Result<(), Violation> {
        let world = self.world.borrow();
        let mut model = self.model.borrow_mut();
        model.now = world.now;
        if self.worker.inventory().is_draining && model.drain_seen.is_zero() {
            model.drain_seen = world.now;
        }
        model.was_exhausted |= self.handle.shared.workers[0].counters.accept_exhausted.get() > 0;
        self.watched.retain(|&number| {
            model.observe_output(number, &world);
            model.check_socket_close(number, &world);
            // The next iteration's checks use this value; the check while idle replaces it by a more reliable one.
            model.clients[number].was_paused |= world.connections[number].wants_room;
            !world.connections[number].closed
        });
        for snapshot in self.worker.connections() {
            let client = &mut model.clients[snapshot.socket.0];
            let waits = snapshot.flags.has(Flags::PAUSED | Flags::REVISIT);
            client.pauses.set(snapshot.flags.has(Flags::PAUSED), world.now);
            if std::mem::replace(&mut client.is_kept_waiting, waits) || waits {
                client.kept_waiting_at = world.now;
            }
            if std::mem::replace(&mut client.has_unhandled, snapshot.has_unhandled) || snapshot.has_unhandled
            {
                client.unread_at = world.now;
            }
        }
        let used = self.worker.inventory().buffers;
        let most = model.setup.limits.buffers;
        model.expect(used <= most, || format!("{used} bytes of buffers, over the limit of {most}"));
        model.violation.take().map_or(Ok(()), Err)
    }

    /// Runs the worker until it has nothing left to do, and checks its state.
    pub(crate) fn run_until_idle(&mut self) -> Result<(), Violation> {
        for _ in 0..MOST_ITERATIONS {
            if !self.is_alive {
                return Ok(());
            }
            if self.is_idle() {
                self.idle_checks += 1;
                let world = self.world.borrow();
                self.model.borrow_mut().check_idle(&self.worker, &world)?;
                return Ok(());
            }
            let now = self.now();
            self.world.borrow_mut().limit = now;
            self.iterate()?;
        }
        Err("the worker does not become idle".into())
    }

    /// Returns whether the worker would sleep and the system has nothing to report.
    fn is_idle(&self) -> bool {
        let world = self.world.borrow();
        world.edges.is_empty() && !self.wakes.are_due() && self.worker.next_wait() != Some(Duration::ZERO)
    }

    /// Advances the clock by `time`; the worker wakes up at its own deadlines.
    pub(crate) fn advance(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now() + time;
        let interval = self.model.borrow().setup.tick_interval.unwrap_or(TICK).min(TICK);
        let most = 100 + 4 * (time.as_millis() / interval.as_millis());
        let mut woken = 0;
        while woken < most {
            self.run_until_idle()?;
            let now = self.now();
            match self.worker.next_wait() {
                Some(wait) if self.is_alive && now + wait <= until => {
                    self.world.borrow_mut().limit = now + wait;
                    self.iterate()?;
                    woken += u128::from(!self.world.borrow().interrupted);
                }
                _ => {
                    self.world.borrow_mut().now = until;
                    return self.run_until_idle();
                }
            }
        }
        Err(format!("the worker has woken up {most} times within {time:?}"))
    }
}
