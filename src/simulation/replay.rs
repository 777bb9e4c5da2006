//! Whole schedules on the simulated kernel and on Linux: the worker's application and its clients must receive the same on both.
//!
//! The schedules have no faults that loopback sockets cannot reproduce: no failing call, no segment that arrives at a chosen moment, no
//! short read. Both kernels share one clock, which moves only between steps.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::behavior::{Behavior, Bounds};
use super::choices::Choices;
use super::client::Client;
use super::connection::{Ending, Segment};
use super::deflate::OFFERS;
use super::net::{Net, Wakes};
use super::output::{AppAction, ItemKind};
use super::peer::Peer;
use super::server::{Common, Server};
use super::setup::{Profile, Setup};
use super::world::World;
use crate::sys::eventfd::EventFd;
use crate::sys::socket::{Sharing, listen_tcp, local_address, reset_on_close};
use crate::worker::Linux;
use crate::ws::{CloseCode, Message};

/// The counts of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    /// Clients that connected.
    pub clients: u64,
    /// Events of the application.
    pub events: u64,
    /// Bytes that clients received.
    pub bytes: u64,
}

pub(super) struct Comparison {
    pub(super) choices: Choices,
    pub(super) setup: Setup,
    pub(super) now: Rc<Cell<Duration>>,
    pub(super) actions: Rc<RefCell<Vec<Vec<AppAction>>>>,
    pub(super) world: Rc<RefCell<World>>,
    pub(super) simulated: Server<Net>,
    pub(super) real: Server<Linux>,
    _waker: Arc<EventFd>,
    pub(super) address: SocketAddr,
    pub(super) clients: Vec<Client>,
    /// The bytes that each client received on the simulated kernel, and the end of its connection there.
    pub(super) got: Vec<(Vec<u8>, Ending)>,
    pub(super) peers: Vec<Peer>,
    pub(super) trace: Vec<String>,
}

/// Plays the schedule that a seed decides on both kernels.
///
/// # Errors
/// Returns the first difference, with the events before it.
pub fn replay(seed: u64) -> Result<Replay, String> {
    let mut comparison = Comparison::new(seed).map_err(|error| format!("no sockets: {error}"))?;
    match comparison.play() {
        Ok(()) => Ok(Replay {
            clients: comparison.clients.len() as u64,
            events: comparison.real.log.borrow().events.iter().map(|events| events.len() as u64).sum(),
            bytes: comparison.peers.iter().map(|peer| peer.got.len() as u64).sum(),
        }),
        Err(error) => Err(format!("{error}\n{:?}\nafter {}", comparison.setup, comparison.trace.join("\n"))),
    }
}

impl Comparison {
    fn new(seed: u64) -> io::Result<Self> {
        let choices = Choices::of_seed(seed);
        let mut setup = Setup::draw(Profile::Short, &choices);
        // Whether output fits the limits depends on when the kernel takes it.
        (setup.limits.buffers, setup.limits.outbox) = (1 << 30, 1 << 20);
        setup.limits.decoder.max_message = setup.limits.decoder.max_message.min(4_000);
        let mut world = World::new(seed);
        let listener = world.add_listener();
        let now = Rc::new(Cell::new(world.now));
        let world = Rc::new(RefCell::new(world));
        let actions = Rc::default();
        let common =
            Common { limits: setup.limits.clone(), now: Rc::clone(&now), actions: Rc::clone(&actions) };
        let wakes = Arc::new(Wakes::default());
        let net = Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) };
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulated = Server::new(net, listener, Box::new(wakes), &common)?;
        let waker = Arc::new(EventFd::new()?);
        let linux = Linux::new(Instant::now(), waker.as_fd(), None)?;
        let listener = listen_tcp(local, Sharing::Exclusive, 64)?;
        let address = local_address(listener.as_fd())?;
        let real = Server::new(linux, listener, Box::new(Arc::clone(&waker)), &common)?;
        Ok(Self {
            choices,
            setup,
            now,
            actions,
            world,
            simulated,
            real,
            _waker: waker,
            address,
            clients: Vec::new(),
            got: Vec::new(),
            peers: Vec::new(),
            trace: Vec::new(),
        })
    }

    fn play(&mut self) -> Result<(), String> {
        let steps = self.choices.between(20, 150);
        for _ in 0..steps {
            self.step().map_err(|error| error.to_string())?;
            self.run_until_idle()?;
        }
        // All clients leave, or the server drains.
        if self.choices.one_in(2) {
            self.trace.push("the server drains".into());
            self.simulated.handle.shared.drain(Duration::from_secs(3));
            self.real.handle.shared.drain(Duration::from_secs(3));
            self.run_until_idle()?;
        }
        for number in 0..self.clients.len() {
            if !self.clients[number].has_left {
                self.clients[number].end(&mut self.world.borrow_mut());
                self.transfer(number);
            }
        }
        self.run_until_idle()?;
        self.advance(Duration::from_secs(45))
    }

    fn step(&mut self) -> io::Result<()> {
        let choices = self.choices.clone();
        match choices.weighted_index(&[10, 80, 3, 4, 10, 1]) {
            0 => self.connect()?,
            1 => {
                // Several clients take their turns at once; the kernel decides the order in which the worker sees them.
                for _ in 0..choices.between(1, 3) {
                    self.anyone().into_iter().for_each(|number| self.turn(number));
                }
            }
            2 => self.quit(),
            3 => self.post(),
            4 => {
                let time = Duration::from_millis(choices.between(1, 2_000) as u64);
                return self.advance(time).map_err(io::Error::other);
            }
            _ => return self.advance(Duration::from_secs(31)).map_err(io::Error::other),
        }
        Ok(())
    }

    fn connect(&mut self) -> io::Result<()> {
        let choices = &self.choices;
        if self.clients.len() >= 12 {
            return Ok(());
        }
        let number = self.world.borrow_mut().connect().ok_or(ErrorKind::ConnectionRefused)?;
        let behavior = Behavior {
            write_size: choices.pick(&[1, 7, 200, usize::MAX, usize::MAX]),
            read_size: usize::MAX,
            read_every: 1,
            pong_delay: choices.pick(&[Some(0), Some(2), None]),
            answers_close: !choices.one_in(4),
            fault_every: choices.pick(&[1 << 20, 30, 4]),
            quit_every: 1,
        };
        let mut client = Client::new(number, behavior);
        if choices.one_in(2) {
            let offer = choices.pick(&OFFERS);
            client.output.offer = Some(offer);
            client.parser.offer = offer.parse().ok();
        }
        match choices.one_in(10) {
            false => client.output.request(number),
            true => client.output.bad_request(number, choices),
        }
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.trace.push(format!("client {number} connects: {behavior:?}"));
        self.clients.push(client);
        self.got.push((Vec::new(), Ending::Open));
        self.peers.push(Peer { stream: Some(stream), got: Vec::new(), ending: Ending::Open });
        self.actions.borrow_mut().push(Vec::new());
        self.simulated.joined();
        self.real.joined();
        Ok(())
    }

    /// Returns one of the clients that take part and are still connected.
    fn anyone(&self) -> Option<usize> {
        let live = |number: &usize| !self.clients[*number].has_left && self.got[*number].1 == Ending::Open;
        let live: Vec<usize> = (0..self.clients.len()).filter(live).collect();
        live.get(self.choices.below(live.len().max(1))).copied()
    }

    fn turn(&mut self, number: usize) {
        let (choices, bounds) = (&self.choices, self.setup.bounds());
        let bounds = Bounds { may_drain: false, ..bounds };
        let client = &mut self.clients[number];
        let produced = client.output.script.len();
        client.produce(bounds, choices);
        client.answer(choices);
        let piece = client.behavior.write_size;
        let most = if piece == usize::MAX { 30_000 } else { choices.between(1, piece) };
        client.send(&mut self.world.borrow_mut(), most);
        for item in &client.output.script[produced..] {
            self.trace.push(format!("client {number} sends {:.80}", format!("{:?}", item.what)));
            if let ItemKind::Message(_, _, order) = &item.what {
                self.actions.borrow_mut()[number].push(*order);
            }
        }
        self.transfer(number);
    }

    fn quit(&mut self) {
        let Some(number) = self.anyone() else { return };
        let how = self.choices.below(3);
        if how == 0 && self.choices.one_in(2) {
            // The end of the stream arrives together with the client's last bytes.
            self.turn(number);
        }
        let (client, mut world) = (&mut self.clients[number], self.world.borrow_mut());
        match how {
            0 => client.end(&mut world),
            1 => client.close_socket(&mut world),
            _ => client.reset(&mut world, false),
        }
        self.trace.push(format!("client {number} quits in way {how}"));
        drop(world);
        self.transfer(number);
        if how == 1 {
            self.peers[number].stream = None;
        }
    }

    /// Has the segments that a client has put on the wire arrive on both kernels.
    pub(super) fn transfer(&mut self, number: usize) {
        let mut world = self.world.borrow_mut();
        let peer = &mut self.peers[number];
        for segment in &world.connections[number].wire {
            // The write may fail on a connection that the server has ended in the meantime.
            match (segment, &mut peer.stream) {
                (Segment::Data(bytes), Some(stream)) => drop(stream.write_all(bytes)),
                (Segment::End, Some(stream)) => drop(stream.shutdown(Shutdown::Write)),
                (Segment::Reset, stream) => {
                    if let Some(stream) = stream.take() {
                        let _ = reset_on_close(stream.as_fd());
                    }
                }
                (_, None) => {}
            }
        }
        while world.arrive(number) {}
    }

    fn post(&mut self) {
        let choices = &self.choices;
        let number = choices.below(self.clients.len().max(1));
        let (what, text) = (choices.below(4), "mail ".repeat(choices.pick(&[1, 30, 900])));
        self.trace.push(format!("mail of kind {what} to {number}, {} bytes", text.len()));
        for (handle, log) in
            [(&self.simulated.handle, &self.simulated.log), (&self.real.handle, &self.real.log)]
        {
            let id = log.borrow().ids.get(number).copied().flatten();
            // A client that has left has left on both kernels.
            match (what, id) {
                (0 | 1, Some(id)) => _ = handle.send(id, Message::Text(&text)),
                (2, Some(id)) => _ = handle.close(id, CloseCode::NORMAL, "mail"),
                (3, _) => _ = handle.broadcast(Message::Text(&text)),
                _ => {}
            }
        }
    }
}
