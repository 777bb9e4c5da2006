//! A worker on the simulated system, driven by a script.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::app::{App, InTurn, Log};
use crate::base::counter::Counter;
use crate::base::meter::Allowance;
use crate::budget::{WORK_PER_FIRST, WORK_PER_ITERATION, WORK_PER_VISIT};
use crate::http::HeadLimits;
use crate::metrics::Counters;
use crate::simulation::connection::Ending;
use crate::simulation::net::{Net, Wakes};
use crate::simulation::world::World;
use crate::worker::{Budgets, Connections, Decision, Handle, Limits, PingPolicy, Turn, Worker};
use crate::ws::{CloseCode, Decoder, DecoderConfig, Event, Heap, Message, Opcode, Role, encode};

/// A client, by the number of its connection.
pub(super) type Client = usize;

/// A frame that a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Text(String),
    Binary(usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
}

pub(super) struct Rig {
    pub(super) worker: Worker<Net, App>,
    pub(super) handle: Handle,
    world: Rc<RefCell<World>>,
    log: Rc<RefCell<Log>>,
    in_turn: Rc<RefCell<Option<InTurn>>>,
    decisions: Rc<RefCell<Vec<Decision<usize>>>>,
    pub(super) wakes: Arc<Wakes>,
    alive: bool,
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn limits() -> Limits {
    Limits {
        server_connections: 10_000,
        worker_connections: 10_000,
        refusals: crate::budget::REFUSALS,
        head: HeadLimits::default(),
        decoder: DecoderConfig { role: Role::Server, max_message: 1 << 20, max_frames: 64, deflate: false },
        deflation: None,
        outbox: 128 << 10,
        buffers: 4 << 20,
        least_buffers: 2 << 20,
        backlog: 64 << 20,
        work: Allowance { first: WORK_PER_FIRST, visit: WORK_PER_VISIT, iteration: WORK_PER_ITERATION },
        spare_buffers: 1 << 20,
        handshake_timeout: secs(10),
        decision_timeout: secs(7),
        message_timeout: None,
        ping_interval: None,
        ping_policy: PingPolicy::WhenIdle,
        pong_timeout: secs(10),
        slowest_reader: 900,
        close_timeout: secs(5),
        budgets: Budgets::default(),
    }
}

/// Runs a script and then stops the server. Checks that no state is left, whatever happened.
pub(super) fn play(limits: Limits, script: impl FnOnce(&mut Rig)) {
    play_with(limits, None, script);
}

pub(super) fn play_with(limits: Limits, tick_interval: Option<Duration>, script: impl FnOnce(&mut Rig)) {
    let world = Rc::new(RefCell::new(World::new(42)));
    let log = Rc::new(RefCell::new(Log::default()));
    let in_turn = Rc::new(RefCell::new(None));
    let wakes = Arc::new(Wakes::default());
    let listener = world.borrow_mut().add_listener();
    let os = Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) };
    let decisions = Rc::new(RefCell::new(Vec::new()));
    let app = App {
        log: Rc::clone(&log),
        in_turn: Rc::clone(&in_turn),
        tick_interval,
        decisions: Rc::clone(&decisions),
    };
    let alone = Worker::standalone(os, listener, Box::new(Arc::clone(&wakes)), limits, |_| app);
    let (worker, handle) = alone.unwrap();
    let mut rig = Rig { worker, handle, world, log, in_turn, decisions, wakes, alive: true };
    script(&mut rig);
    rig.end();
}

impl Rig {
    pub(super) fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    pub(super) fn log(&self) -> Ref<'_, Log> {
        self.log.borrow()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.handle.shared.workers[0].counters
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.alive
    }

    /// Runs one iteration.
    pub(super) fn iterate(&mut self) {
        assert!(self.alive, "the worker has ended");
        self.alive = self.worker.iterate().unwrap();
        assert_eq!(self.counters().buffered_bytes.get(), self.worker.sessions.streams.pool.used() as u64);
        assert_eq!(self.counters().backlog_bytes.get(), self.worker.sessions.streams.pool.backlog() as u64);
    }

    /// Runs the worker for `time`, and returns the number of waits.
    pub(super) fn run_for(&mut self, time: Duration) -> usize {
        let before = self.world().waits;
        let limit = self.world().now + time;
        self.world().limit = limit;
        while self.alive {
            self.iterate();
            assert!(self.world().waits - before < 100_000, "the loop spins");
            if self.world().would_sleep {
                break;
            }
        }
        self.world().waits - before
    }

    /// Runs the worker until it waits for time to pass.
    pub(super) fn settle(&mut self) -> usize {
        self.run_for(Duration::ZERO)
    }

    /// Runs `act` in the application's next turn, and returns its result.
    pub(super) fn turn<T: 'static>(
        &mut self,
        act: impl FnOnce(&mut Connections<'_, usize>) -> T + 'static,
    ) -> T {
        let result = Rc::new(RefCell::new(None));
        let told = Rc::clone(&result);
        *self.in_turn.borrow_mut() = Some(Box::new(move |connections| {
            *told.borrow_mut() = Some(act(connections));
            Turn::Idle
        }));
        self.handle.wake(0).unwrap();
        self.iterate();
        result.take().expect("the application had its turn")
    }

    /// Makes the application's next turn return `turn`.
    pub(super) fn turn_ends(&mut self, turn: Turn) {
        *self.in_turn.borrow_mut() = Some(Box::new(move |_| turn));
        self.handle.wake(0).unwrap();
        self.iterate();
    }

    /// Takes the latest pending decision of the application.
    pub(super) fn decision(&self) -> Decision<usize> {
        self.decisions.borrow_mut().pop().expect("something is to be decided")
    }

    /// Returns the pending decisions of the application, the latest last.
    pub(super) fn decisions(&self) -> Ref<'_, Vec<Decision<usize>>> {
        self.decisions.borrow()
    }

    pub(super) fn connect(&mut self) -> Client {
        self.world().connect().expect("a listener is open")
    }

    pub(super) fn send(&mut self, client: Client, bytes: &[u8]) {
        self.world().client_sends(client, bytes);
    }

    pub(super) fn send_frame(&mut self, client: Client, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode::frame(&mut bytes, opcode, payload, Some([1, 2, 3, 4]));
        self.send(client, &bytes);
    }

    pub(super) fn send_text(&mut self, client: Client, text: &str) {
        self.send_frame(client, Opcode::Text, text.as_bytes());
    }

    pub(super) fn send_close(&mut self, client: Client, code: CloseCode) {
        self.send_frame(client, Opcode::Close, &code.get().to_be_bytes());
    }

    /// Makes a client with an open WebSocket, which has read the 101 response.
    pub(super) fn open(&mut self) -> Client {
        self.open_by(&request("/")).0
    }

    /// Makes a client with an open WebSocket by this request, and returns the response as well.
    pub(super) fn open_by(&mut self, request: &str) -> (Client, String) {
        let client = self.connect();
        self.send(client, request.as_bytes());
        self.settle();
        let response = self.response(client);
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        assert!(response.ends_with("\r\n\r\n"));
        (client, response)
    }

    pub(super) fn ending(&self, client: Client) -> Ending {
        self.world.borrow().connections[client].ending
    }

    /// Returns the number of calls of `send` so far.
    pub(super) fn sends(&self, client: Client) -> usize {
        self.world.borrow().connections[client].sends
    }

    /// Returns what a client got as text: a response.
    pub(super) fn response(&mut self, client: Client) -> String {
        String::from_utf8(self.world().client_takes(client)).unwrap()
    }

    /// Returns the frames that a client got.
    pub(super) fn frames(&mut self, client: Client) -> Vec<Seen> {
        let mut bytes = self.world().client_takes(client);
        decode(&mut bytes)
    }

    /// Stops the server, if it has not ended, and checks that no state is left.
    fn end(mut self) {
        self.handle.shared.stop();
        while self.alive {
            self.alive = self.worker.iterate().unwrap();
        }
        let Self { worker, log, world, .. } = &self;
        assert_eq!(worker.sessions.streams.table.len(), 0, "records");
        assert_eq!(worker.sessions.streams.table.sides_len(), 0, "side records");
        assert_eq!(worker.sessions.streams.pool.used(), 0, "buffers");
        assert_eq!(worker.sessions.streams.table.next_tick(), None, "timers");
        assert_eq!(worker.sessions.refused, 0, "refusals");
        assert_eq!(worker.sessions.common.add_connection(), 0, "connections of the server");
        let counters = self.counters();
        let levels = [
            &counters.open,
            &counters.sockets,
            &counters.buffered_bytes,
            &counters.backlog_bytes,
            &counters.context_bytes,
            &counters.decisions_pending,
        ];
        assert_eq!(levels.map(Counter::get), [0; 6], "levels");
        assert_eq!(counters.bugs.get(), 0);
        assert_eq!(world.borrow().held(), 0, "sockets");
        let log = log.borrow();
        let (mut opened, mut closed) =
            (log.opened.clone(), log.closed.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        opened.sort();
        closed.sort();
        assert_eq!(opened, closed, "every connection is opened and closed once");
        assert_eq!(counters.opened.get(), opened.len() as u64);
    }
}

pub(crate) fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Decodes what a server sent, which must end with a whole message.
pub(super) fn decode(bytes: &mut [u8]) -> Vec<Seen> {
    let rules = DecoderConfig { role: Role::Client, max_message: 1 << 24, max_frames: 1, deflate: false };
    let (mut decoder, mut at, mut seen) = (Decoder::default(), 0, Vec::new());
    loop {
        let decoded = decoder.decode(&mut bytes[at..], &rules, &mut Heap).unwrap();
        at += decoded.consumed;
        seen.push(match decoded.event {
            None => break,
            Some(Event::Message(Message::Text(text))) => Seen::Text(text.into()),
            Some(Event::Message(Message::Binary(bytes))) => Seen::Binary(bytes.len()),
            Some(Event::Compressed { .. }) => panic!("nothing was agreed on"),
            Some(Event::Ping(payload)) => Seen::Ping(payload.into()),
            Some(Event::Pong(payload)) => Seen::Pong(payload.into()),
            Some(Event::Close(frame)) => Seen::Close(frame.code.map_or(1005, CloseCode::get)),
        });
    }
    assert!(decoder.is_idle(), "the output ends within a frame");
    seen
}
