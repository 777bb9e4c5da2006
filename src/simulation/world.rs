//! A simulated network: connections are queues, and readiness is edge-triggered like that of epoll.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::{Connection, Ending, Fd, Segment};
use super::injection::FaultInjection;
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::{Ready, Token};

/// The receive window: bytes from a client that the worker's socket accepts before the worker reads them.
pub(crate) const WINDOW: usize = 512 * 1024;

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) queue: VecDeque<usize>,
    pub(crate) closed: bool,
    pub(crate) token: Option<Token>,
    pub(crate) is_queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Connection(usize),
    Listener(usize),
}

/// The whole state behind the `Os` trait, shared with the test.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Duration,
    /// The last time when the clock moved without the worker.
    pub(crate) jumped_at: Duration,
    /// The most events that a wait returns.
    pub(crate) most_events: usize,
    /// The time up to which a wait may move the clock.
    pub(crate) limit: Duration,
    /// Whether the last wait would have lasted beyond the limit.
    pub(crate) would_sleep: bool,
    /// Whether a signal interrupted the last wait.
    pub(crate) interrupted: bool,
    /// The number of coming waits that a signal interrupts.
    pub(crate) signals: usize,
    /// The duration of each system call except a wait.
    pub(crate) charge: Duration,
    /// The time for which the process is stopped within the next system call except a wait.
    pub(crate) stall: Duration,
    pub(crate) waits: usize,
    /// System calls other than waits.
    pub(crate) calls: usize,
    pub(crate) free_descriptors: usize,
    pub(crate) has_reserve: bool,
    pub(crate) fail_watch: bool,
    pub(crate) fail_listen: bool,
    /// The errors that the next calls of accept return.
    pub(crate) accept_errors: VecDeque<i32>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) listeners: Vec<Listener>,
    /// epoll's ready list.
    pub(crate) edges: VecDeque<Source>,
    pub(crate) random: u64,
    pub(crate) injection: Option<FaultInjection>,
    /// The number of open sockets of the worker.
    pub(crate) held: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Duration::from_millis(12_345),
            jumped_at: Duration::ZERO,
            most_events: EVENTS_PER_WAIT,
            limit: Duration::ZERO,
            would_sleep: false,
            interrupted: false,
            signals: 0,
            charge: Duration::ZERO,
            stall: Duration::ZERO,
            waits: 0,
            calls: 0,
            free_descriptors: 1 << 20,
            has_reserve: true,
            fail_watch: false,
            fail_listen: false,
            accept_errors: VecDeque::new(),
            connections: Vec::new(),
            listeners: Vec::new(),
            edges: VecDeque::new(),
            random: seed,
            injection: None,
            held: 0,
        }
    }

    pub(crate) fn add_listener(&mut self) -> Fd {
        let listener = Listener { queue: VecDeque::new(), closed: false, token: None, is_queued: false };
        self.listeners.push(listener);
        Fd(self.listeners.len() - 1)
    }

    /// Returns the number of open listeners.
    #[cfg(test)]
    pub(crate) fn listening(&self) -> usize {
        self.listeners.iter().filter(|listener| !listener.closed).count()
    }

    /// Returns the number of connections whose descriptors the worker holds.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Connects a client to the first open listener. Returns its number, or `None` if no listener is open.
    pub(crate) fn connect(&mut self) -> Option<usize> {
        let at = self.listeners.iter().position(|listener| !listener.closed)?;
        self.connections.push(Connection::new());
        let number = self.connections.len() - 1;
        self.listeners[at].queue.push_back(number);
        self.edge(Source::Listener(at));
        Some(number)
    }

    pub(crate) fn client_sends(&mut self, number: usize, bytes: &[u8]) {
        let connection = &mut self.connections[number];
        if connection.closed {
            connection.ending = Ending::Reset;
            return;
        }
        if connection.client_reset {
            return;
        }
        connection.inbound.extend(bytes);
        self.edge(Source::Connection(number));
    }

    pub(crate) fn client_ends(&mut self, number: usize) {
        self.connections[number].client_ended = true;
        self.edge(Source::Connection(number));
    }

    /// Has a client's reset arrive. Bytes that arrived before it can still be read, as on Linux.
    pub(crate) fn client_resets(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.client_ended && connection.ending != Ending::Open {
            // Both halves have ended: no connection is left to reset.
            return;
        }
        connection.client_reset = true;
        self.edge(Source::Connection(number));
    }

    /// Has a client's next segment arrive. Returns `false` if there is none, or no room for it.
    pub(crate) fn arrive(&mut self, number: usize) -> bool {
        let connection = &mut self.connections[number];
        let has_room = connection.inbound.len() < WINDOW;
        match connection.wire.pop_front() {
            None => return false,
            Some(data @ Segment::Data(_)) if !has_room && !connection.closed => {
                connection.wire.push_front(data);
                return false;
            }
            Some(Segment::Data(bytes)) => self.client_sends(number, &bytes),
            Some(Segment::End) => self.client_ends(number),
            Some(Segment::Reset) => {
                connection.wire.clear();
                self.client_resets(number);
            }
        }
        true
    }

    /// Has the client read up to `most` bytes, which frees as much of the send buffer. Returns the number of bytes.
    pub(crate) fn client_reads(&mut self, number: usize, most: usize) -> usize {
        let now = self.now;
        let connection = &mut self.connections[number];
        let len = connection.outbound.len().min(most);
        connection.outbound.drain(..len);
        if len > 0 {
            connection.takes.push((connection.written - connection.outbound.len(), now));
        }
        if connection.send_buffer != usize::MAX && len > 0 {
            let room = connection.room + len;
            self.set_room(number, room);
        }
        len
    }

    #[cfg(test)]
    pub(crate) fn client_takes(&mut self, number: usize) -> Vec<u8> {
        std::mem::take(&mut self.connections[number].outbound)
    }

    /// Sets the free bytes of the send buffer, after the client has read or its kernel has acknowledged data.
    pub(crate) fn set_room(&mut self, number: usize, room: usize) {
        let connection = &mut self.connections[number];
        connection.room = room;
        if connection.is_writable() && std::mem::take(&mut connection.wants_room) {
            self.edge(Source::Connection(number));
        }
    }

    pub(crate) fn edge(&mut self, source: Source) {
        let is_queued = match source {
            Source::Connection(at) => &mut self.connections[at].is_queued,
            Source::Listener(at) => &mut self.listeners[at].is_queued,
        };
        if !std::mem::replace(is_queued, true) {
            self.edges.push_back(source);
        }
    }

    /// Returns the event that epoll reports for a source now.
    pub(crate) fn report(&mut self, source: Source) -> Option<Ready> {
        match source {
            Source::Listener(at) => {
                let listener = &mut self.listeners[at];
                listener.is_queued = false;
                let ready = !listener.closed && !listener.queue.is_empty();
                let token = listener.token.filter(|_| ready)?;
                Some(Ready { token, readable: true, writable: false, read_closed: false })
            }
            Source::Connection(at) => {
                let connection = &mut self.connections[at];
                connection.is_queued = false;
                let token = connection.token.filter(|_| !connection.closed)?;
                let read_closed = connection.client_ended || connection.client_reset;
                let readable = read_closed || !connection.inbound.is_empty();
                let writable = connection.is_writable();
                // Polling a socket that is not writable requests the next edge (tcp_poll).
                connection.wants_room |= !writable;
                (readable || writable).then_some(Ready { token, readable, writable, read_closed })
            }
        }
    }

    /// Closes the worker's socket.
    pub(crate) fn end(&mut self, number: usize) {
        let now = self.now;
        self.held -= 1;
        let connection = &mut self.connections[number];
        connection.closed = true;
        connection.closed_at = Some(now);
        connection.closed_behind_end = connection.client_ended;
        if connection.ending == Ending::Open || !connection.inbound.is_empty() {
            let reset = connection.client_reset || !connection.inbound.is_empty();
            connection.ending = if reset { Ending::Reset } else { Ending::Clean };
        }
    }

    /// Notes a system call of the worker, during which a segment may arrive.
    pub(crate) fn note_system_call(&mut self) {
        self.calls += 1;
        self.now += self.charge + std::mem::take(&mut self.stall);
        let Some(injection) = &self.injection else { return };
        if self.connections.is_empty() || !injection.choices.one_in(injection.arrivals) {
            return;
        }
        let start = injection.choices.below(self.connections.len());
        let order = (start..self.connections.len()).chain(0..start).take(16);
        if let Some(number) = order.into_iter().find(|&at| !self.connections[at].wire.is_empty()) {
            self.arrive(number);
        }
    }
}
