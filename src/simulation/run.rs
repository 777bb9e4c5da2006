//! A run: one worker, its clients, and steps that are drawn until the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::choices::Choices;
use super::ledger::Ledger;
use super::net::{Net, Wakes};
use super::setup::Setup;
use super::world::{Mischief, World};
use crate::base::ticks::TICK;
use crate::metrics::Counters;
use crate::worker::{Flags, Handle, Worker};

/// Iterations between two rests: far more than any work there is takes, even a frame at a time, so that a loop that spins is found out.
const MOST_ITERATIONS: usize = 100_000;

/// A run in progress.
pub(crate) struct Run {
    pub(crate) choices: Choices,
    pub(crate) worker: Worker<Net, App>,
    pub(crate) handle: Handle,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) ledger: Rc<RefCell<Ledger>>,
    wakes: Arc<Wakes>,
    pub(crate) is_alive: bool,
    /// Iterations in a row that had nothing to do and did not sleep.
    idle: usize,
    pub(crate) rests: usize,
    /// Clients that take part, and those whose sockets are open, by number.
    pub(crate) live: Vec<usize>,
    watched: Vec<usize>,
}

/// Why a run ended early.
pub(crate) type Violation = String;

impl Run {
    pub(crate) fn new(setup: Setup, choices: &Choices) -> Self {
        let mut world = World::new(choices.bits());
        world.free_descriptors = setup.descriptors;
        world.most_events = setup.limits.budgets.events;
        world.mischief =
            Some(Mischief { choices: choices.clone(), arrivals: setup.arrivals, waits: setup.waits });
        let listener = world.add_listener();
        let now = world.now;
        let world = Rc::new(RefCell::new(world));
        let (limits, tick_interval, has_company) =
            (setup.limits.clone(), setup.tick_interval, setup.has_company);
        let ledger = Rc::new(RefCell::new(Ledger::new(setup, now)));
        let wakes = Arc::new(Wakes::default());
        let os = Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) };
        let make_app = |handle: &Handle| App {
            ledger: Rc::clone(&ledger),
            world: Rc::clone(&world),
            handle: handle.clone(),
            tick_interval,
        };
        let alone = Worker::alone(os, listener, Box::new(Arc::clone(&wakes)), limits, make_app);
        let (worker, handle) = alone.expect("the simulated listener can be watched");
        if has_company {
            handle.shared.common.join_group();
        }
        Self {
            choices: choices.clone(),
            worker,
            handle,
            world,
            ledger,
            wakes,
            is_alive: true,
            idle: 0,
            rests: 0,
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

    /// One iteration of the worker, whose doings are judged.
    pub(crate) fn iterate(&mut self) -> Result<(), Violation> {
        let (calls, edges, now) = {
            let world = self.world.borrow();
            (world.calls, world.edges.len(), world.now)
        };
        self.ledger.borrow_mut().now = now;
        let posted = self.ledger.borrow().in_box;
        let (given, unread) = (self.counters().messages_in.get(), self.worker.inventory().unread);
        self.is_alive = self.worker.iterate().map_err(|error| format!("the worker ended: {error}"))?;
        self.judge()?;
        let world = self.world.borrow();
        let busy = world.calls > calls || world.edges.len() != edges || world.now > now || posted > 0;
        // What was read is decompressed, and what waits of it dealt with, without a call.
        let busy =
            busy || self.counters().messages_in.get() > given || self.worker.inventory().unread != unread;
        // A wait that a signal cut short tells nothing.
        self.idle = match busy || world.rested {
            true => 0,
            false => self.idle + usize::from(!world.interrupted),
        };
        // One for each kind of work that may turn out to be none, and some to spare.
        if self.idle > 40 { Err("the loop spins".into()) } else { Ok(()) }
    }

    /// Takes in what the worker has done.
    fn judge(&mut self) -> Result<(), Violation> {
        let world = self.world.borrow();
        let mut ledger = self.ledger.borrow_mut();
        ledger.now = world.now;
        if self.worker.inventory().is_draining && ledger.drain_seen.is_zero() {
            ledger.drain_seen = world.now;
        }
        ledger.was_exhausted |= self.handle.shared.workers[0].counters.accept_exhausted.get() > 0;
        self.watched.retain(|&number| {
            ledger.listen(number, &world);
            ledger.judge_end(number, &world);
            // For the next iteration; what is seen at rest is surer.
            ledger.clients[number].was_paused |= world.connections[number].wants_room;
            !world.connections[number].closed
        });
        for glimpse in self.worker.glimpses() {
            let client = &mut ledger.clients[glimpse.socket.0];
            let waits = glimpse.flags.has(Flags::PAUSED | Flags::REVISIT);
            client.pauses.set(glimpse.flags.has(Flags::PAUSED), world.now);
            if std::mem::replace(&mut client.is_kept_waiting, waits) || waits {
                client.kept_waiting_at = world.now;
            }
            if std::mem::replace(&mut client.has_unread, glimpse.has_unread) || glimpse.has_unread {
                client.unread_at = world.now;
            }
        }
        let used = self.worker.inventory().buffers;
        let most = ledger.setup.limits.buffers;
        ledger.expect(used <= most, || format!("{used} bytes of buffers, over the limit of {most}"));
        ledger.violation.take().map_or(Ok(()), Err)
    }

    /// Lets the worker do all that it has to do now, and looks at what it has left.
    pub(crate) fn settle(&mut self) -> Result<(), Violation> {
        for _ in 0..MOST_ITERATIONS {
            if !self.is_alive {
                return Ok(());
            }
            if self.is_quiet() {
                self.rests += 1;
                let world = self.world.borrow();
                self.ledger.borrow_mut().judge_rest(&self.worker, &world)?;
                return Ok(());
            }
            let now = self.now();
            self.world.borrow_mut().limit = now;
            self.iterate()?;
        }
        Err("the worker does not come to rest".into())
    }

    /// Whether the worker would sleep, and nothing in the system would keep it from that.
    fn is_quiet(&self) -> bool {
        let world = self.world.borrow();
        world.edges.is_empty() && !self.wakes.are_due() && self.worker.next_wait() != Some(Duration::ZERO)
    }

    /// Lets time pass, and the worker wake up when it wants to.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now() + time;
        let interval = self.ledger.borrow().setup.tick_interval.unwrap_or(TICK).min(TICK);
        let most = 100 + 4 * (time.as_millis() / interval.as_millis());
        let mut woken = 0;
        while woken < most {
            self.settle()?;
            let now = self.now();
            match self.worker.next_wait() {
                Some(wait) if self.is_alive && now + wait <= until => {
                    self.world.borrow_mut().limit = now + wait;
                    self.iterate()?;
                    woken += u128::from(!self.world.borrow().interrupted);
                }
                _ => {
                    self.world.borrow_mut().now = until;
                    return self.settle();
                }
            }
        }
        Err(format!("the worker has woken up {most} times within {time:?}"))
    }
}
