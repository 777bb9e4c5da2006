//! An operating system of plain data: sockets are queues, readiness has the edges of epoll, and the clock only moves while
//! nothing is ready.
//!
//! It follows Linux where the worker relies on it: a descriptor is allocated before the queue of a listener is looked at
//! (so `EMFILE` comes before `EAGAIN`), room is only reported to those who met a full buffer, and a socket closed over
//! unread input resets its connection.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::world::{Ending, Fd, Source, World};
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::mailbox::Wake;
use crate::worker::os::{Os, Ready, Token};

/// The worker's end.
pub(super) struct Net {
    pub(super) world: Rc<RefCell<World>>,
    pub(super) wakes: Arc<Wakes>,
}

/// Counts wake-ups, for each of which one wait returns.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    pub(super) asked: AtomicUsize,
    heard: AtomicUsize,
}

impl Wake for Arc<Wakes> {
    fn wake(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

fn os_error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl Os for Net {
    type Socket = Fd;
    type Listener = Fd;

    fn now(&self) -> Duration {
        self.world.borrow().now
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.waits += 1;
        world.rested = false;
        ready.clear();
        while ready.len() < EVENTS_PER_WAIT
            && let Some(source) = world.edges.pop_front()
        {
            ready.extend(world.report(source));
        }
        let asked = self.wakes.asked.load(Ordering::Relaxed);
        let woken = self.wakes.heard.swap(asked, Ordering::Relaxed) != asked;
        if ready.is_empty() && !woken && timeout != Some(Duration::ZERO) {
            let until = timeout.map_or(Duration::MAX, |timeout| world.now + timeout);
            world.rested = until > world.limit;
            world.now = until.min(world.limit).max(world.now);
        }
        Ok(())
    }

    fn watch_listener(&mut self, listener: &Fd, token: Token) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.listeners[listener.0].token = Some(token);
        world.edge(Source::Listener(listener.0));
        Ok(())
    }

    fn watch(&mut self, socket: &Fd, token: Token) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        if world.fail_watch {
            return Err(os_error(libc::ENOSPC));
        }
        world.connections[socket.0].token = Some(token);
        world.edge(Source::Connection(socket.0));
        Ok(())
    }

    fn listen(&mut self, _: SocketAddr) -> io::Result<Fd> {
        let mut world = self.world.borrow_mut();
        if world.fail_listen { Err(os_error(libc::EMFILE)) } else { Ok(world.add_listener()) }
    }

    fn close_listener(&mut self, listener: Fd) {
        let mut world = self.world.borrow_mut();
        let listener = &mut world.listeners[listener.0];
        listener.closed = true;
        let waiting = std::mem::take(&mut listener.queue);
        for number in waiting {
            world.connections[number].ending = Ending::Reset;
            world.connections[number].closed = true;
        }
    }

    fn accept(&mut self, listener: &Fd) -> io::Result<Fd> {
        let mut world = self.world.borrow_mut();
        if world.free_descriptors == 0 {
            return Err(os_error(libc::EMFILE));
        }
        if let Some(code) = world.accept_errors.pop_front() {
            return Err(os_error(code));
        }
        let number = world.listeners[listener.0].queue.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        world.free_descriptors -= 1;
        Ok(Fd(number))
    }

    fn release_reserve(&mut self) -> bool {
        let mut world = self.world.borrow_mut();
        let had = std::mem::take(&mut world.has_reserve);
        world.free_descriptors += usize::from(had);
        had
    }

    fn refill_reserve(&mut self) {
        let mut world = self.world.borrow_mut();
        if !world.has_reserve && world.free_descriptors > 0 {
            world.has_reserve = true;
            world.free_descriptors -= 1;
        }
    }

    fn recv(&mut self, socket: &Fd, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let connection = &mut world.connections[socket.0];
        connection.recvs += 1;
        if connection.client_reset {
            return Err(os_error(libc::ECONNRESET));
        }
        if connection.inbound.is_empty() && !connection.client_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = connection.inbound.len().min(buffer.len());
        for (slot, byte) in buffer.iter_mut().zip(connection.inbound.drain(..len)) {
            *slot = byte;
        }
        Ok(len)
    }

    fn send(&mut self, socket: &Fd, bytes: &[u8]) -> io::Result<usize> {
        self.send_vectored(socket, &[IoSlice::new(bytes)])
    }

    fn send_vectored(&mut self, socket: &Fd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let connection = &mut world.connections[socket.0];
        connection.sends += 1;
        if connection.client_reset {
            return Err(os_error(libc::EPIPE));
        }
        assert_eq!(connection.ending, Ending::Open, "sent behind the end of the stream");
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a send of nothing");
        let taken = offered.min(connection.room);
        connection.wants_room |= taken < offered;
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if connection.room != usize::MAX {
            connection.room -= taken;
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        connection.outbound.extend(bytes.take(taken));
        Ok(taken)
    }

    fn shutdown_write(&mut self, socket: &Fd) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.connections[socket.0].ending = Ending::Clean;
        Ok(())
    }

    fn close(&mut self, socket: Fd) {
        let mut world = self.world.borrow_mut();
        world.end(socket.0);
        world.free_descriptors += 1;
    }

    fn peer_address(&self, _: &Fd) -> Option<SocketAddr> {
        None
    }

    fn random(&mut self) -> u64 {
        // SplitMix64.
        let mut world = self.world.borrow_mut();
        world.random = world.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (world.random ^ world.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
