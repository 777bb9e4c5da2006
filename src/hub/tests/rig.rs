//! A test rig: workers with hubs over any broker, each on its own simulated system.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::notifier::Wake;
use crate::hub::broker::{Broker, BrokerInventory};
use crate::hub::core::worker_hub::WorkerHub;
use crate::hub::question::QuestionQueues;
use crate::hub::shared::{HubShared, OperatorInbox};
use crate::hub::{self, Access, HubConfig, Publisher, Rule};
use crate::simulation::net::{Net, Wakes};
use crate::simulation::world::World;
use crate::worker::tests::rig::limits;
use crate::worker::{Handle, ListenerSlot, Shared, Worker, WorkerParts};
use crate::ws::{Decoder, DecoderConfig, Event, Heap, Message, Opcode, Role, encode};

/// A client: the number of its worker, and the number of its connection on that worker.
pub(super) type Client = (usize, usize);

type HubWorker<B> = Worker<Net, WorkerHub<B>>;

pub(super) struct Rig<B: Broker> {
    workers: Vec<(HubWorker<B>, Rc<RefCell<World>>)>,
    pub(super) wakes: Vec<Arc<Wakes>>,
    pub(super) publisher: Publisher,
}

impl<B: Broker> Rig<B> {
    /// Makes workers, with an end of a broker for each.
    pub(super) fn new(
        workers: usize,
        mut end: impl FnMut(usize, &HubShared, &Handle, &OperatorInbox) -> B,
    ) -> Self {
        let rules = hub::Rules::new(vec![Rule { publish: Some(Access::Anyone), ..Rule::default() }])
            .expect("one rule");
        let shared = Arc::new(HubShared::new(HubConfig { rules, ..HubConfig::default() }));
        let wakes: Vec<Arc<Wakes>> = (0..workers).map(|_| Arc::default()).collect();
        let wakers = wakes.iter().map(|wakes| Box::new(Arc::clone(wakes)) as Box<dyn Wake>).collect();
        let limits = limits();
        let questions = Arc::new(QuestionQueues::new());
        let (server, inboxes) = Shared::new(wakers, limits.outbox);
        let handle = Handle { shared: Arc::new(server) };
        let parts = wakes.iter().cloned().zip(inboxes).enumerate();
        let workers = parts.map(|(number, (wakes, inbox))| {
            let world = Rc::new(RefCell::new(World::new(7)));
            let listener = world.borrow_mut().add_listener();
            let max_message = limits.decoder.max_message;
            let operator = shared.take_inbox(number, &handle, max_message).expect("nobody has taken it");
            let questions_end = questions.take(number, &handle, 8).expect("nobody has taken it");
            let broker = end(number, &shared, &handle, &operator);
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9001));
            let worker = Worker::new(WorkerParts {
                os: Net { world: Rc::clone(&world), wakes },
                handler: WorkerHub::new(Arc::clone(&shared), operator, questions_end, broker),
                limits: limits.clone(),
                number,
                handle: handle.clone(),
                inbox,
                listeners: vec![ListenerSlot::new(listener, Some(address))],
            });
            (worker.expect("the simulated listener can be watched"), world)
        });
        let workers = workers.collect();
        Self { workers, wakes, publisher: Publisher::new(shared, questions) }
    }

    /// Runs iterations of all workers.
    pub(super) fn iterate(&mut self, times: usize) {
        for _ in 0..times {
            for (worker, world) in &mut self.workers {
                let now = world.borrow().now;
                world.borrow_mut().limit = now;
                assert!(worker.iterate().expect("the worker goes on"), "the worker has ended");
            }
        }
    }

    /// Connects a client to a worker, with a request target and a subprotocol. Returns the client.
    pub(super) fn connect(&mut self, worker: usize, target: &str, subprotocol: &str) -> Client {
        let mut request = Vec::new();
        crate::ws::client::request(&mut request, "h", target, b"dGhlIHNhbXBsZSBub25jZQ==", subprotocol);
        let mut world = self.workers[worker].1.borrow_mut();
        let client = world.connect().expect("a listener is open");
        world.client_sends(client, &request);
        drop(world);
        // The first iteration accepts the connection, and the second reads its request.
        self.iterate(2);
        let response = self.workers[worker].1.borrow_mut().connections[client].outbound.clone();
        let head = response.windows(4).position(|end| end == b"\r\n\r\n").expect("a response") + 4;
        assert!(response.starts_with(b"HTTP/1.1 101 "));
        self.workers[worker].1.borrow_mut().connections[client].outbound.drain(..head);
        (worker, client)
    }

    pub(super) fn say(&self, (worker, client): Client, text: &str) {
        let mut bytes = Vec::new();
        encode::frame(&mut bytes, Opcode::Text, text.as_bytes(), Some([1, 2, 3, 4]));
        self.workers[worker].1.borrow_mut().client_sends(client, &bytes);
    }

    pub(super) fn reset(&self, (worker, client): Client) {
        self.workers[worker].1.borrow_mut().client_resets(client);
    }

    /// Returns the texts that a client has received, and the code of a Close frame as a text.
    pub(super) fn texts(&self, (worker, client): Client) -> Vec<String> {
        let mut bytes = self.workers[worker].1.borrow_mut().client_takes(client);
        let rules = DecoderConfig { role: Role::Client, max_message: 1 << 20, max_frames: 1, deflate: false };
        let (mut decoder, mut at, mut texts) = (Decoder::default(), 0, Vec::new());
        loop {
            let decoded = decoder.decode(&mut bytes[at..], &rules, &mut Heap).expect("frames");
            at += decoded.consumed;
            match decoded.event {
                None => return texts,
                Some(Event::Message(Message::Text(text))) => texts.push(text.into()),
                Some(Event::Close(frame)) => {
                    texts.push(frame.code.map_or(1005, crate::ws::CloseCode::get).to_string());
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }

    /// Returns the numbers of a worker's topics with subscribers, subscriptions, pending subscriptions and unfinished work.
    pub(super) fn left(&self, worker: usize) -> [usize; 4] {
        let hub = self.workers[worker].0.handler().expect("no turn is under way");
        let held = hub.inventory(BrokerInventory::default());
        let subscriptions = usize::try_from(held.subscriptions).expect("a few");
        [
            held.local_topics,
            subscriptions,
            held.pending_subscriptions,
            held.recoveries + held.cleanup_queue + held.scheduled,
        ]
    }
}
