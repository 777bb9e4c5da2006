//! A network of plain data: connections are queues, and readiness has the edges of epoll.

use std::collections::VecDeque;
use std::time::Duration;

use crate::worker::os::{Ready, Token};

/// A descriptor of the worker's. It is no number that could be copied, as an `OwnedFd` is none.
#[derive(Debug)]
pub(super) struct Fd(pub(super) usize);

/// How a connection has ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not yet.
    Open,
    /// The end of the stream, behind everything that was sent.
    Clean,
    /// A reset, which can overtake what was sent.
    Reset,
}

/// A connection: both its queues and what the kernel knows.
#[derive(Debug)]
pub(super) struct Connection {
    /// From the client, unread.
    pub(super) inbound: VecDeque<u8>,
    /// To the client, not taken yet.
    pub(super) outbound: Vec<u8>,
    /// Bytes that the send buffer takes.
    pub(super) room: usize,
    pub(super) ending: Ending,
    /// Calls that wrote, or tried to.
    pub(super) sends: usize,
    pub(super) recvs: usize,
    pub(super) client_ended: bool,
    pub(super) client_reset: bool,
    /// The worker met a full buffer and wants to hear of room (`SOCK_NOSPACE`).
    pub(super) wants_room: bool,
    pub(super) closed: bool,
    pub(super) token: Option<Token>,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) queue: VecDeque<usize>,
    pub(super) closed: bool,
    pub(super) token: Option<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Connection(usize),
    Listener(usize),
}

/// Everything behind the trait, shared with the test.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    /// How far a wait may move the clock.
    pub(super) limit: Duration,
    /// The last wait would have gone on beyond the limit.
    pub(super) rested: bool,
    pub(super) waits: usize,
    pub(super) free_descriptors: usize,
    pub(super) has_reserve: bool,
    pub(super) fail_watch: bool,
    pub(super) fail_listen: bool,
    /// Errors that accepting meets next.
    pub(super) accept_errors: VecDeque<i32>,
    pub(super) connections: Vec<Connection>,
    pub(super) listeners: Vec<Listener>,
    /// epoll's ready list.
    pub(super) edges: VecDeque<Source>,
    pub(super) random: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Duration::from_millis(12_345),
            limit: Duration::ZERO,
            rested: false,
            waits: 0,
            free_descriptors: 1 << 20,
            has_reserve: true,
            fail_watch: false,
            fail_listen: false,
            accept_errors: VecDeque::new(),
            connections: Vec::new(),
            listeners: Vec::new(),
            edges: VecDeque::new(),
            random: seed,
        }
    }

    pub(super) fn add_listener(&mut self) -> Fd {
        self.listeners.push(Listener { queue: VecDeque::new(), closed: false, token: None });
        Fd(self.listeners.len() - 1)
    }

    /// Listeners that are open.
    pub(super) fn listening(&self) -> usize {
        self.listeners.iter().filter(|listener| !listener.closed).count()
    }

    /// Descriptors of connections that the worker holds.
    pub(super) fn held(&self) -> usize {
        let waiting: usize = self.listeners.iter().map(|listener| listener.queue.len()).sum();
        self.connections.iter().filter(|connection| !connection.closed).count() - waiting
    }

    /// A client connects to the first listener that is open; `None` when there is none.
    pub(super) fn connect(&mut self) -> Option<usize> {
        let at = self.listeners.iter().position(|listener| !listener.closed)?;
        let connection = Connection {
            inbound: VecDeque::new(),
            outbound: Vec::new(),
            room: usize::MAX,
            ending: Ending::Open,
            sends: 0,
            recvs: 0,
            client_ended: false,
            client_reset: false,
            wants_room: false,
            closed: false,
            token: None,
        };
        self.connections.push(connection);
        let number = self.connections.len() - 1;
        self.listeners[at].queue.push_back(number);
        self.edge(Source::Listener(at));
        Some(number)
    }

    pub(super) fn client_sends(&mut self, number: usize, bytes: &[u8]) {
        let connection = &mut self.connections[number];
        if connection.closed {
            connection.ending = Ending::Reset;
            return;
        }
        connection.inbound.extend(bytes);
        self.edge(Source::Connection(number));
    }

    pub(super) fn client_ends(&mut self, number: usize) {
        self.connections[number].client_ended = true;
        self.edge(Source::Connection(number));
    }

    pub(super) fn client_resets(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.client_reset = true;
        connection.inbound.clear();
        self.edge(Source::Connection(number));
    }

    pub(super) fn client_takes(&mut self, number: usize) -> Vec<u8> {
        std::mem::take(&mut self.connections[number].outbound)
    }

    /// The client reads, or its kernel acknowledges: the send buffer takes this much now.
    pub(super) fn set_room(&mut self, number: usize, room: usize) {
        let connection = &mut self.connections[number];
        connection.room = room;
        if room > 0 && std::mem::take(&mut connection.wants_room) {
            self.edge(Source::Connection(number));
        }
    }

    pub(super) fn edge(&mut self, source: Source) {
        if !self.edges.contains(&source) {
            self.edges.push_back(source);
        }
    }

    /// What epoll reports of a source now.
    pub(super) fn report(&self, source: Source) -> Option<Ready> {
        match source {
            Source::Listener(at) => {
                let listener = &self.listeners[at];
                let ready = !listener.closed && !listener.queue.is_empty();
                let token = listener.token.filter(|_| ready)?;
                Some(Ready { token, readable: true, writable: false, closed: false })
            }
            Source::Connection(at) => {
                let connection = &self.connections[at];
                let token = connection.token.filter(|_| !connection.closed)?;
                let closed = connection.client_ended || connection.client_reset;
                Some(Ready {
                    token,
                    readable: closed || !connection.inbound.is_empty(),
                    writable: connection.room > 0 || connection.client_reset,
                    closed,
                })
            }
        }
    }

    pub(super) fn end(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        connection.closed = true;
        if connection.ending == Ending::Open || !connection.inbound.is_empty() {
            let reset = connection.client_reset || !connection.inbound.is_empty();
            connection.ending = if reset { Ending::Reset } else { Ending::Clean };
        }
    }
}
