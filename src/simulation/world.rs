//! A network of plain data: connections are queues, and readiness has the edges of epoll.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::{Connection, Ending, Fd, Segment};
use super::injection::FaultInjection;
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::{Ready, Token};

/// Bytes from a client that the worker's end takes in before it has read them.
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

/// Everything behind the trait, shared with the test.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Duration,
    /// When last the clock moved without the worker.
    pub(crate) jumped_at: Duration,
    /// The most events of a wait.
    pub(crate) most_events: usize,
    /// How far a wait may move the clock.
    pub(crate) limit: Duration,
    /// The last wait would have gone on beyond the limit.
    pub(crate) would_sleep: bool,
    /// A signal cut the last wait short.
    pub(crate) interrupted: bool,
    /// So many waits will be.
    pub(crate) signals: usize,
    /// How long a system call but a wait takes.
    pub(crate) charge: Duration,
    /// The process stands still for so long within the next system call but a wait.
    pub(crate) stall: Duration,
    pub(crate) waits: usize,
    /// System calls other than waits.
    pub(crate) calls: usize,
    pub(crate) free_descriptors: usize,
    pub(crate) has_reserve: bool,
    pub(crate) fail_watch: bool,
    pub(crate) fail_listen: bool,
    /// Errors that accepting meets next.
    pub(crate) accept_errors: VecDeque<i32>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) listeners: Vec<Listener>,
    /// epoll's ready list.
    pub(crate) edges: VecDeque<Source>,
    pub(crate) random: u64,
    pub(crate) injection: Option<FaultInjection>,
    /// Sockets of the worker's that are open.
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

    /// Listeners that are open.
    #[cfg(test)]
    pub(crate) fn listening(&self) -> usize {
        self.listeners.iter().filter(|listener| !listener.closed).count()
    }

    /// Descriptors of connections that the worker holds.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// A client connects to the first listener that is open; `None` when there is none.
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

    /// A reset arrives. What arrived before it can still be read, as Linux has it.
    pub(crate) fn client_resets(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.client_ended && connection.ending != Ending::Open {
            // Both halves have ended: there is no connection left that could be reset.
            return;
        }
        connection.client_reset = true;
        self.edge(Source::Connection(number));
    }

    /// The next segment of a client's arrives. `false` when there is none, or no room for it.
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

    /// The client reads up to `most` bytes, which makes as much room.
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

    /// The client reads, or its kernel acknowledges: the send buffer takes this much now.
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

    /// What epoll reports of a source now.
    pub(crate) fn report(&mut self, source: Source) -> Option<Ready> {
        match source {
            Source::Listener(at) => {
                let listener = &mut self.listeners[at];
                listener.is_queued = false;
                let ready = !listener.closed && !listener.queue.is_empty();
                let token = listener.token.filter(|_| ready)?;
                Some(Ready { token, readable: true, writable: false, closed: false })
            }
            Source::Connection(at) => {
                let connection = &mut self.connections[at];
                connection.is_queued = false;
                let token = connection.token.filter(|_| !connection.closed)?;
                let closed = connection.client_ended || connection.client_reset;
                let readable = closed || !connection.inbound.is_empty();
                let writable = connection.is_writable();
                // To look at a socket that is not writable is to ask for the next edge (tcp_poll).
                connection.wants_room |= !writable;
                (readable || writable).then_some(Ready { token, readable, writable, closed })
            }
        }
    }

    /// The worker closes its socket.
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

    /// Something may arrive while the worker is in a system call.
    pub(crate) fn meanwhile(&mut self) {
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
