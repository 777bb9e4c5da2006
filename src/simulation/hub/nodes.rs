//! The workers of a server, each on a simulated system of its own, with one clock and the hub between them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::setup::Setup;
use crate::base::notifier::Wake;
use crate::hub::inspect::Inventory;
use crate::hub::{Hub, HubHandler};
use crate::simulation::choices::Choices;
use crate::simulation::injection::FaultInjection;
use crate::simulation::net::{Net, Wakes};
use crate::simulation::run::Violation;
use crate::simulation::world::World;
use crate::worker::{Context, Handle, ListenerSlot, Shared, Worker, WorkerParts};

/// A worker and its system.
pub(crate) struct Node {
    /// The worker; `None` once it has ended.
    worker: Option<Worker<Net, HubHandler>>,
    pub(crate) world: Rc<RefCell<World>>,
    wakes: Arc<Wakes>,
}

/// All workers of the server.
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    pub(crate) handle: Handle,
    pub(crate) hub: Hub,
    pub(crate) now: Duration,
}

impl Nodes {
    pub(crate) fn new(setup: &Setup, choices: &Choices) -> Self {
        let wakes: Vec<Arc<Wakes>> = (0..setup.workers).map(|_| Arc::default()).collect();
        let wakers = wakes.iter().map(|wakes| Box::new(Arc::clone(wakes)) as Box<dyn Wake>).collect();
        let (shared, inboxes) = Shared::new(wakers, setup.limits.outbox);
        let handle = Handle { shared: Arc::new(shared) };
        let hub = Hub::new(setup.config.clone());
        let make = hub.handler();
        let mut now = Duration::ZERO;
        let parts = wakes.into_iter().zip(inboxes).enumerate();
        let nodes = parts.map(|(number, (wakes, inbox))| {
            let mut world = World::new(choices.bits());
            let (arrivals, waits) = (setup.arrivals, setup.waits);
            world.injection = Some(FaultInjection { choices: choices.clone(), arrivals, waits });
            let listener = world.add_listener();
            now = world.now;
            let world = Rc::new(RefCell::new(world));
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9001));
            let worker = Worker::new(WorkerParts {
                os: Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) },
                handler: make(&Context {
                    worker: number,
                    open: 0,
                    max_message: setup.limits.decoder.max_message,
                    handle: &handle,
                }),
                limits: setup.limits.clone(),
                number,
                handle: handle.clone(),
                inbox,
                listeners: vec![ListenerSlot::new(listener, Some(address))],
            });
            let worker = worker.expect("the simulated listener can be watched");
            Node { worker: Some(worker), world, wakes }
        });
        Self { nodes: nodes.collect(), handle: handle.clone(), hub, now }
    }

    /// Returns the numbers of the workers that run.
    pub(crate) fn alive(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&at| self.nodes[at].worker.is_some())
    }

    /// Returns the workers that do not sleep: an event is ready, they were woken, or their timeout has passed.
    pub(crate) fn due(&self) -> Vec<usize> {
        self.alive().filter(|&at| self.nodes[at].is_due()).collect()
    }

    /// Runs one iteration of a worker, which may end it together with the server.
    pub(crate) fn iterate(&mut self, at: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[at];
        node.world.borrow_mut().limit = self.now;
        let Some(worker) = &mut node.worker else { return Ok(()) };
        let goes_on = worker.iterate().map_err(|error| format!("worker {at} ended: {error}"))?;
        if worker.counters().bugs.get() > 0 {
            return Err(format!("worker {at} counted bugs"));
        }
        if !goes_on {
            node.worker = None;
            let held = node.world.borrow().held();
            if held > 0 {
                return Err(format!("worker {at} has ended and holds {held} sockets"));
            }
        }
        Ok(())
    }

    /// Advances the clock of all systems.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.nodes.iter().for_each(|node| node.world.borrow_mut().now = self.now);
    }

    /// Returns the time until the next deadline of any worker; `None` if no worker has one.
    pub(crate) fn next_wait(&self) -> Option<Duration> {
        self.alive().filter_map(|at| self.nodes[at].worker.as_ref()?.next_wait()).min()
    }

    /// Returns the inventory of a worker's hub.
    pub(crate) fn inventory(&self, at: usize) -> Option<Inventory> {
        Some(self.nodes[at].worker.as_ref()?.handler()?.inventory())
    }

    /// Returns the numbers of a worker's connections and side records, the bytes in its outboxes, and the number of its sockets.
    pub(crate) fn left(&self, at: usize) -> [usize; 4] {
        let node = &self.nodes[at];
        let held = node.world.borrow().held();
        let Some(worker) = &node.worker else { return [0, 0, 0, held] };
        let inventory = worker.inventory();
        let queued = worker.connections().map(|glimpse| glimpse.queued).sum();
        [inventory.records, inventory.sides, queued, held]
    }
}

impl Node {
    fn is_due(&self) -> bool {
        let Some(worker) = &self.worker else { return false };
        let world = self.world.borrow();
        !world.edges.is_empty() || self.wakes.are_due() || worker.next_wait() == Some(Duration::ZERO)
    }
}
