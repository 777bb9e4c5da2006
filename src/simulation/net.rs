//! A simulated operating system: sockets are queues, readiness is edge-triggered like that of epoll, and the clock moves only while nothing
//! is ready.
//!
//! It follows Linux where the worker relies on it. accept allocates a descriptor before it looks for a connection (so `EMFILE` takes
//! precedence over `EAGAIN`). Free room in a send buffer is reported only after a call has met a full one. Data that arrived before a reset
//! can still be read. Closing a socket with unread input resets its connection. [`kernels`](super::kernels) compares the simulated system
//! with Linux.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::choices::split_mix;
use super::connection::{Ending, Fd, Segment};
use super::injection::{add_spurious_event, shuffle};
use super::world::{Source, World};
use crate::base::notifier::Wake;
use crate::worker::{Os, OutputStatus, PeerEnd, Ready, Token};

/// The worker's access to the simulated system.
pub(crate) struct Net {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) wakes: Arc<Wakes>,
}

/// A counter of wake-ups. A wait returns at once if there were any since the last one.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    pub(crate) asked: AtomicUsize,
    seen: AtomicUsize,
}

impl Wakes {
    /// Returns whether a wake-up has not ended a wait yet.
    pub(crate) fn are_due(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != self.seen.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
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
        world.would_sleep = false;
        ready.clear();
        let injection = world.injection.as_ref();
        let odd = injection.filter(|odd| odd.choices.one_in(odd.waits)).map(|odd| odd.choices.clone());
        world.interrupted = world.signals > 0 || odd.as_ref().is_some_and(|choices| choices.one_in(4));
        world.signals = world.signals.saturating_sub(1);
        if world.interrupted {
            // A signal interrupts the wait (EINTR); pending events stay.
            return Ok(());
        }
        let most_events = world.most_events;
        let most = odd.as_ref().map_or(most_events, |choices| {
            shuffle(&mut world.edges, choices);
            choices.between(1, 4)
        });
        while ready.len() < most
            && let Some(source) = world.edges.pop_front()
        {
            ready.extend(world.report(source));
        }
        if let Some(choices) = odd {
            add_spurious_event(&world.connections, &choices, ready);
        }
        let asked = self.wakes.asked.load(Ordering::Relaxed);
        let woken = self.wakes.seen.swap(asked, Ordering::Relaxed) != asked;
        if ready.is_empty() && !woken && timeout != Some(Duration::ZERO) {
            let until = timeout.map_or(Duration::MAX, |timeout| world.now + timeout);
            world.would_sleep = until > world.limit;
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
        world.note_system_call();
        if world.fail_watch {
            return Err(os_error(libc::ENOSPC));
        }
        world.connections[socket.0].token = Some(token);
        world.edge(Source::Connection(socket.0));
        Ok(())
    }

    fn listen(&mut self, _: SocketAddr) -> io::Result<Fd> {
        let mut world = self.world.borrow_mut();
        world.calls += 1;
        if world.fail_listen { Err(os_error(libc::EMFILE)) } else { Ok(world.add_listener()) }
    }

    fn close_listener(&mut self, listener: Fd) {
        let mut world = self.world.borrow_mut();
        world.calls += 1;
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
        world.note_system_call();
        if world.free_descriptors == 0 {
            return Err(os_error(libc::EMFILE));
        }
        if let Some(code) = world.accept_errors.pop_front() {
            return Err(os_error(code));
        }
        let number = world.listeners[listener.0].queue.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        world.free_descriptors -= 1;
        let (now, held) = (world.now, world.held);
        world.held += 1;
        let connection = &mut world.connections[number];
        (connection.accepted_at, connection.held_before) = (Some(now), held);
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
        world.note_system_call();
        let now = world.now;
        let connection = &mut world.connections[socket.0];
        connection.recvs += 1;
        if !connection.inbound.is_empty() {
            // A `VecDeque` may hold its bytes in two pieces.
            let mut len = connection.inbound.read(buffer)?;
            len += connection.inbound.read(&mut buffer[len..])?;
            connection.has_read(len, now);
            return Ok(len);
        }
        // The end of the stream takes precedence over an error (SOCK_DONE in tcp_recvmsg).
        if connection.client_reset && !connection.client_ended {
            connection.reported_end = true;
            return connection.take_error().map_or(Ok(0), |code| Err(os_error(code)));
        }
        connection.reported_end |= connection.client_ended;
        if connection.client_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn unread(&mut self, socket: &Fd) -> usize {
        // No segment arrives in this call: a worker that decides by the result must have received everything before it.
        let mut world = self.world.borrow_mut();
        world.calls += 1;
        let now = world.now;
        world.connections[socket.0].note_unread_query(now);
        world.connections[socket.0].inbound.len()
    }

    fn peer_end(&self, socket: &Fd) -> PeerEnd {
        let world = self.world.borrow();
        let connection = &world.connections[socket.0];
        if connection.client_reset || (connection.client_ended && connection.ending != Ending::Open) {
            PeerEnd::Connection
        } else if connection.client_ended {
            PeerEnd::WritingHalf
        } else {
            PeerEnd::Nothing
        }
    }

    fn send(&mut self, socket: &Fd, bytes: &[u8]) -> io::Result<usize> {
        self.send_vectored(socket, &[IoSlice::new(bytes)])
    }

    fn send_vectored(&mut self, socket: &Fd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        world.note_system_call();
        let now = world.now;
        let connection = &mut world.connections[socket.0];
        connection.sends += 1;
        if connection.client_reset {
            connection.reported_end = true;
            return Err(os_error(connection.take_error().unwrap_or(libc::EPIPE)));
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
        connection.written += taken;
        connection.written_at = now;
        let mut left = taken;
        for slice in slices {
            let len = slice.len().min(left);
            connection.outbound.extend_from_slice(&slice[..len]);
            left -= len;
        }
        if connection.client_gone && !connection.wire.contains(&Segment::Reset) {
            connection.wire.push_back(Segment::Reset);
        }
        Ok(taken)
    }

    fn limit_unsent(&mut self, socket: &Fd, bytes: u32) {
        // The world decides how much a send takes; a test can check the limits that were set.
        self.world.borrow_mut().connections[socket.0].unsent_limits.push(bytes);
    }

    fn output_status(&self, socket: &Fd) -> Option<OutputStatus> {
        let world = self.world.borrow();
        let connection = &world.connections[socket.0];
        let unacknowledged = connection.unacknowledged();
        let heard_at = match connection.takes.last() {
            _ if unacknowledged == 0 => connection.written_at,
            Some((_, at)) => *at,
            None => Duration::ZERO,
        };
        Some(OutputStatus {
            acknowledged: (connection.written - unacknowledged) as u64,
            unacknowledged: unacknowledged as u64,
            silent_for: world.now.saturating_sub(heard_at),
        })
    }

    fn shutdown_write(&mut self, socket: &Fd) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        world.note_system_call();
        // The shutdown is always reported to a poller (inet_shutdown).
        world.edge(Source::Connection(socket.0));
        let connection = &mut world.connections[socket.0];
        if connection.client_reset {
            return Err(os_error(libc::ENOTCONN));
        }
        connection.ending = Ending::Clean;
        Ok(())
    }

    fn close(&mut self, socket: Fd) {
        let mut world = self.world.borrow_mut();
        world.calls += 1;
        world.end(socket.0);
        world.free_descriptors += 1;
    }

    fn peer_address(&self, _: &Fd) -> Option<SocketAddr> {
        None
    }

    fn random(&mut self) -> u64 {
        split_mix(&mut self.world.borrow_mut().random)
    }
}
