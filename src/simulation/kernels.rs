//! The simulated kernel against the real one: the same socket calls on both must return the same and report the same
//! readiness, so that what the simulation proves of the worker is true of Linux.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::choices::Choices;
use super::net::{Net, Wakes};
use super::world::World;
use crate::sys::eventfd::EventFd;
use crate::sys::socket::{Sharing, listen_tcp, local_address, reset_on_close};
use crate::worker::{Linux, Os, Ready, Token};

/// How long an event or bytes may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a full socket must stay full.
const STILLNESS: Duration = Duration::from_millis(100);
/// The send buffer of a simulated connection.
const SEND_BUFFER: usize = 30_000;

/// Events by token, those of several waits as one.
type Events = BTreeMap<u64, (bool, bool, bool)>;

/// A kernel, with the clients of its sockets.
trait Kernel {
    type Os: Os;
    fn os(&mut self) -> &mut Self::Os;
    /// A client connects, and is accepted and watched under its number.
    fn connect(&mut self) -> io::Result<<Self::Os as Os>::Socket>;
    fn client_sends(&mut self, number: usize, bytes: &[u8]);
    fn client_ends(&mut self, number: usize);
    fn client_resets(&mut self, number: usize);
    /// The client reads that many bytes, which were sent to it.
    fn client_reads(&mut self, number: usize, len: usize) -> io::Result<()>;

    fn wait(&mut self, timeout: Duration, events: &mut Events) -> io::Result<()> {
        let mut ready = Vec::new();
        self.os().wait(Some(timeout), &mut ready)?;
        for Ready { token, readable, writable, closed } in ready {
            let event = events.entry(token.0).or_default();
            *event = (event.0 | readable, event.1 | writable, event.2 | closed);
        }
        Ok(())
    }
}

struct Simulated {
    net: Net,
    listener: super::world::Fd,
}

impl Kernel for Simulated {
    type Os = Net;

    fn os(&mut self) -> &mut Net {
        &mut self.net
    }

    fn connect(&mut self) -> io::Result<super::world::Fd> {
        let number = self.net.world.borrow_mut().connect().ok_or(ErrorKind::ConnectionRefused)?;
        let socket = self.net.accept(&self.listener)?;
        let mut world = self.net.world.borrow_mut();
        let connection = &mut world.connections[number];
        (connection.room, connection.send_buffer) = (SEND_BUFFER, SEND_BUFFER);
        drop(world);
        self.net.watch(&socket, Token(number as u64))?;
        Ok(socket)
    }

    fn client_sends(&mut self, number: usize, bytes: &[u8]) {
        self.net.world.borrow_mut().client_sends(number, bytes);
    }

    fn client_ends(&mut self, number: usize) {
        self.net.world.borrow_mut().client_ends(number);
    }

    fn client_resets(&mut self, number: usize) {
        self.net.world.borrow_mut().client_resets(number);
    }

    fn client_reads(&mut self, number: usize, _: usize) -> io::Result<()> {
        self.net.world.borrow_mut().client_reads(number, usize::MAX);
        Ok(())
    }
}

struct Real {
    linux: Linux,
    listener: std::os::fd::OwnedFd,
    address: SocketAddr,
    clients: Vec<Option<TcpStream>>,
    _waker: EventFd,
}

impl Real {
    fn new() -> io::Result<Self> {
        let waker = EventFd::new()?;
        let linux = Linux::new(Instant::now(), waker.as_fd(), None)?;
        let listener = listen_tcp(SocketAddr::from(([127, 0, 0, 1], 0)), Sharing::Exclusive, 16)?;
        let address = local_address(listener.as_fd())?;
        Ok(Self { linux, listener, address, clients: Vec::new(), _waker: waker })
    }
}

impl Kernel for Real {
    type Os = Linux;

    fn os(&mut self) -> &mut Linux {
        &mut self.linux
    }

    fn connect(&mut self) -> io::Result<std::os::fd::OwnedFd> {
        let client = TcpStream::connect(self.address)?;
        client.set_nodelay(true)?;
        let started = Instant::now();
        let socket = loop {
            match self.linux.accept(&self.listener) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < PATIENCE => {}
                other => break other?,
            }
        };
        self.linux.watch(&socket, Token(self.clients.len() as u64))?;
        self.clients.push(Some(client));
        Ok(socket)
    }

    fn client_sends(&mut self, number: usize, bytes: &[u8]) {
        if let Some(client) = &mut self.clients[number] {
            // To a socket that the server has closed it may fail, now or the next time.
            let _ = client.write_all(bytes);
        }
    }

    fn client_ends(&mut self, number: usize) {
        if let Some(client) = &self.clients[number] {
            let _ = client.shutdown(Shutdown::Write);
        }
    }

    fn client_resets(&mut self, number: usize) {
        if let Some(client) = self.clients[number].take() {
            let _ = reset_on_close(client.as_fd());
        }
    }

    fn client_reads(&mut self, number: usize, len: usize) -> io::Result<()> {
        let Some(client) = &mut self.clients[number] else { return Ok(()) };
        client.set_read_timeout(Some(PATIENCE))?;
        let mut buffer = vec![0; len];
        client.read_exact(&mut buffer)
    }
}

/// One connection in both kernels.
struct Pair {
    simulated: <Net as Os>::Socket,
    real: <Linux as Os>::Socket,
    /// Bytes sent to the client and not read by it, in the real kernel.
    unread: usize,
    client_ended: bool,
    client_reset: bool,
    is_shut: bool,
    is_full: bool,
}

/// Plays random calls on both kernels and returns how many there were.
///
/// # Errors
/// The first difference, with what led to it.
pub fn compare_kernels(seed: u64) -> Result<usize, String> {
    let choices = Choices::of_seed(seed);
    let world = Rc::new(std::cell::RefCell::new(World::new(seed)));
    let listener = world.borrow_mut().add_listener();
    let mut simulated = Simulated { net: Net { world, wakes: Arc::new(Wakes::default()) }, listener };
    let mut real = Real::new().map_err(|error| format!("no sockets: {error}"))?;
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut trace = Vec::new();
    let calls = choices.between(10, 60);
    for _ in 0..calls {
        let outcome = step(&choices, &mut simulated, &mut real, &mut pairs, &mut trace);
        let outcome = outcome
            .map_err(|error| error.to_string())
            .and_then(|()| same_events(&mut simulated, &mut real, &pairs).map_err(|error| error.to_string()));
        outcome.map_err(|error| format!("{error}\nafter {}", trace.join(", ")))?;
    }
    Ok(calls)
}

fn step(
    choices: &Choices,
    simulated: &mut Simulated,
    real: &mut Real,
    pairs: &mut Vec<Option<Pair>>,
    trace: &mut Vec<String>,
) -> io::Result<()> {
    let number = choices.below(pairs.len() + 1);
    let Some(Some(pair)) = pairs.get_mut(number) else {
        if pairs.len() < 6 {
            trace.push(format!("{} connects", pairs.len()));
            pairs.push(Some(Pair {
                simulated: simulated.connect()?,
                real: real.connect()?,
                unread: 0,
                client_ended: false,
                client_reset: false,
                is_shut: false,
                is_full: false,
            }));
        }
        return Ok(());
    };
    match choices.weigh(&[6, 2, 1, 6, 5, 1, 1, 1, 2]) {
        0 if !pair.client_ended && !pair.client_reset => {
            let bytes = vec![b'x'; choices.pick(&[1, 100, 5_000])];
            trace.push(format!("client {number} sends {}", bytes.len()));
            simulated.client_sends(number, &bytes);
            real.client_sends(number, &bytes);
        }
        1 if !pair.client_ended && !pair.client_reset => {
            trace.push(format!("client {number} ends"));
            simulated.client_ends(number);
            real.client_ends(number);
            pair.client_ended = true;
        }
        2 if !pair.client_reset => {
            trace.push(format!("client {number} resets"));
            simulated.client_resets(number);
            real.client_resets(number);
            pair.client_reset = true;
        }
        3 => {
            let len = choices.pick(&[1, 100, 20_000]);
            trace.push(format!("{number} receives up to {len}"));
            let mut buffers = [vec![0; len], vec![0; len]];
            let first = simulated.net.recv(&pair.simulated, &mut buffers[0]);
            let second = real.linux.recv(&pair.real, &mut buffers[1]);
            same_result(&first, &second)?;
        }
        4 if !pair.is_shut && !pair.is_full => {
            let bytes = vec![b'y'; choices.pick(&[1, 100, 1_000])];
            trace.push(format!("{number} sends {}", bytes.len()));
            let second = real.linux.send(&pair.real, &bytes);
            same_result(&simulated.net.send(&pair.simulated, &bytes), &second)?;
            pair.unread += second.unwrap_or(0);
            // Their buffers have different sizes; before the smaller one is full, its client reads.
            if pair.unread > SEND_BUFFER / 2 && !pair.client_reset {
                drain(simulated, real, number, pair)?;
            }
        }
        5 if !pair.is_shut => {
            trace.push(format!("{number} ends its half"));
            let first = simulated.net.shutdown_write(&pair.simulated).map(|()| 0);
            same_result(&first, &real.linux.shutdown_write(&pair.real).map(|()| 0))?;
            pair.is_shut = true;
        }
        6 if pair.unread == 0 || choices.one_in(2) => {
            trace.push(format!("{number} is closed"));
            if let Some(pair) = pairs[number].take() {
                simulated.net.close(pair.simulated);
                real.linux.close(pair.real);
            }
        }
        7 if !pair.is_shut && !pair.client_reset => {
            trace.push(format!("{number} sends until it is full"));
            fill(simulated, real, pair)?;
        }
        8 if !pair.client_reset && pair.unread > 0 => {
            trace.push(format!("client {number} reads all"));
            drain(simulated, real, number, pair)?;
        }
        _ => {}
    }
    Ok(())
}

/// Sends on both until neither takes more, and in the real kernel nothing moves on to the client either.
fn fill(simulated: &mut Simulated, real: &mut Real, pair: &mut Pair) -> io::Result<()> {
    let bytes = vec![b'z'; 64 * 1024];
    while simulated.net.send(&pair.simulated, &bytes).is_ok() {}
    let mut full_since = None;
    let started = Instant::now();
    while full_since.is_none_or(|since: Instant| since.elapsed() < STILLNESS) && started.elapsed() < PATIENCE
    {
        match real.linux.send(&pair.real, &bytes) {
            Ok(len) => (full_since, pair.unread) = (None, pair.unread + len),
            Err(_) => {
                full_since.get_or_insert_with(Instant::now);
                // What it reports meanwhile is about room that the next call takes.
                real.wait(Duration::from_millis(10), &mut Events::new())?;
            }
        }
    }
    pair.is_full = true;
    Ok(())
}

fn drain(simulated: &mut Simulated, real: &mut Real, number: usize, pair: &mut Pair) -> io::Result<()> {
    simulated.client_reads(number, pair.unread)?;
    real.client_reads(number, std::mem::take(&mut pair.unread))?;
    pair.is_full = false;
    Ok(())
}

fn same_result(simulated: &io::Result<usize>, real: &io::Result<usize>) -> io::Result<()> {
    let plain = |result: &io::Result<usize>| result.as_ref().copied().map_err(io::Error::kind);
    if plain(simulated) == plain(real) {
        return Ok(());
    }
    Err(io::Error::other(format!("the simulated kernel returns {simulated:?}, the real one {real:?}")))
}

/// Both report the same; the real one may take its time.
fn same_events(simulated: &mut Simulated, real: &mut Real, pairs: &[Option<Pair>]) -> io::Result<()> {
    let (mut expected, mut got) = (Events::new(), Events::new());
    simulated.wait(Duration::ZERO, &mut expected)?;
    // Once our half has ended, the acknowledgement of that is an edge too (tcp_rcv_state_process), and comes when it comes.
    let counts = |number: u64, expected: &Events| {
        let pair = usize::try_from(number).ok().and_then(|at| pairs.get(at)?.as_ref());
        pair.is_some_and(|pair| !pair.is_shut || expected.contains_key(&number))
    };
    let started = Instant::now();
    loop {
        real.wait(Duration::from_millis(if got == expected { 0 } else { 10 }), &mut got)?;
        got.retain(|&number, _| counts(number, &expected));
        if got == expected || started.elapsed() > PATIENCE || is_beyond(&got, &expected) {
            break;
        }
    }
    if got == expected {
        return Ok(());
    }
    let text = format!(
        "the simulated kernel reports {expected:?}, the real one {got:?} (readable, writable, closed)"
    );
    Err(io::Error::other(text))
}

/// Whether something is reported that should not be.
fn is_beyond(got: &Events, expected: &Events) -> bool {
    got.iter().any(|(number, event)| match expected.get(number) {
        None => true,
        Some(due) => (event.0 & !due.0) | (event.1 & !due.1) | (event.2 & !due.2),
    })
}
