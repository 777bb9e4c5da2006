//! A kernel together with the clients of its sockets: the simulated one, and Linux.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::connection::Fd;
use super::net::Net;
use crate::sys::eventfd::EventFd;
use crate::sys::socket::{Sharing, listen_tcp, local_address, reset_on_close};
use crate::worker::{Linux, Os, Ready, Token};

/// The most time that an event or bytes may take on a busy machine.
pub(super) const LINUX_TIMEOUT: Duration = Duration::from_secs(20);
/// The send buffer of a simulated connection in bytes.
pub(super) const SEND_BUFFER: usize = 30_000;

/// Events by token; those of several waits are merged.
pub(super) type Events = BTreeMap<u64, (bool, bool, bool)>;

/// A kernel together with the clients of its sockets.
pub(super) trait Kernel {
    type Os: Os;
    fn os(&mut self) -> &mut Self::Os;
    /// Connects a client, accepts its connection, and watches the socket with the client's number as its token.
    fn connect(&mut self) -> io::Result<<Self::Os as Os>::Socket>;
    fn client_sends(&mut self, number: usize, bytes: &[u8]);
    fn client_ends(&mut self, number: usize);
    fn client_resets(&mut self, number: usize);
    /// Has the client read `len` bytes, which were sent to it before.
    fn client_reads(&mut self, number: usize, len: usize) -> io::Result<()>;

    fn wait(&mut self, timeout: Duration, events: &mut Events) -> io::Result<()> {
        let mut ready = Vec::new();
        self.os().wait(Some(timeout), &mut ready)?;
        for Ready { token, readable, writable, read_closed } in ready {
            let event = events.entry(token.0).or_default();
            *event = (event.0 | readable, event.1 | writable, event.2 | read_closed);
        }
        Ok(())
    }
}

pub(super) struct Simulated {
    pub(super) net: Net,
    pub(super) listener: Fd,
}

impl Kernel for Simulated {
    type Os = Net;

    fn os(&mut self) -> &mut Net {
        &mut self.net
    }

    fn connect(&mut self) -> io::Result<Fd> {
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

pub(super) struct Real {
    pub(super) linux: Linux,
    listener: std::os::fd::OwnedFd,
    address: SocketAddr,
    clients: Vec<Option<TcpStream>>,
    _waker: EventFd,
}

impl Real {
    pub(super) fn new() -> io::Result<Self> {
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
                Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < LINUX_TIMEOUT => {}
                other => break other?,
            }
        };
        self.linux.watch(&socket, Token(self.clients.len() as u64))?;
        self.clients.push(Some(client));
        Ok(socket)
    }

    fn client_sends(&mut self, number: usize, bytes: &[u8]) {
        if let Some(client) = &mut self.clients[number] {
            // A write to a socket that the server has closed may fail, now or the next time.
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
        client.set_read_timeout(Some(LINUX_TIMEOUT))?;
        let mut buffer = vec![0; len];
        client.read_exact(&mut buffer)
    }
}
