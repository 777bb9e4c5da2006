//! A network of plain data: connections are queues, and readiness has the edges of epoll.

use std::collections::VecDeque;
use std::time::Duration;

use super::choices::Choices;
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::{Ready, Token};

/// Bytes from a client that the worker's end takes in before it has read them.
pub(crate) const WINDOW: usize = 512 * 1024;

/// A descriptor of the worker's. It is no number that could be copied, as an `OwnedFd` is none.
#[derive(Debug)]
pub(crate) struct Fd(pub(crate) usize);

/// How a connection has ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not yet.
    Open,
    /// The end of the stream, behind everything that was sent.
    Clean,
    /// A reset, which can overtake what was sent.
    Reset,
}

/// What travels from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Data(Vec<u8>),
    /// The end of the client's half.
    End,
    Reset,
}

/// A connection: both its queues and what the kernel knows.
#[derive(Debug)]
pub(crate) struct Connection {
    /// From the client, on its way.
    pub(crate) wire: VecDeque<Segment>,
    /// From the client, unread.
    pub(crate) inbound: VecDeque<u8>,
    /// To the client, not taken yet.
    pub(crate) outbound: Vec<u8>,
    /// Bytes that the send buffer takes.
    pub(crate) room: usize,
    /// Bytes that it takes when it is empty; a third must be free before it counts as writable (`sk_stream_is_writeable`).
    pub(crate) send_buffer: usize,
    /// When that ceased to be little.
    pub(crate) freed_at: Option<Duration>,
    pub(crate) ending: Ending,
    /// Calls that wrote, or tried to.
    pub(crate) sends: usize,
    /// Every limit of unsent bytes that it was given.
    pub(crate) unsent_limits: Vec<u32>,
    pub(crate) recvs: usize,
    pub(crate) client_ended: bool,
    pub(crate) client_reset: bool,
    /// The client has closed its socket: what still reaches it is answered with a reset.
    pub(crate) client_gone: bool,
    /// The worker met a full buffer and wants to hear of room (`SOCK_NOSPACE`).
    pub(crate) wants_room: bool,
    pub(crate) closed: bool,
    pub(crate) token: Option<Token>,
    /// It stands in the ready list.
    pub(crate) is_queued: bool,
    /// The error of a reset was taken by a call (`SO_ERROR`); from then on there is only the end of the stream.
    pub(crate) error_taken: bool,

    // What the worker has done so far, for those who judge it.
    /// Bytes that were read, and when last.
    pub(crate) read: usize,
    pub(crate) read_at: Duration,
    /// How many had been read after each moment at which any were.
    pub(crate) reads: Vec<(usize, Duration)>,
    /// How much had arrived when the worker asked first at that time how much it has not read.
    pub(crate) looks: Vec<(usize, Duration)>,
    /// Bytes that the client had taken after each moment at which it took any.
    pub(crate) takes: Vec<(usize, Duration)>,
    /// Bytes that were taken for sending, and when last.
    pub(crate) written: usize,
    pub(crate) written_at: Duration,
    /// A call has returned the end of the stream or an error.
    pub(crate) told_end: bool,
    pub(crate) accepted_at: Option<Duration>,
    pub(crate) closed_at: Option<Duration>,
    /// The client had ended its half when the worker closed the socket.
    pub(crate) closed_behind_end: bool,
    /// Descriptors that the worker held before it accepted this one.
    pub(crate) held_before: usize,
}

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

/// What happens at moments that nobody scripted.
#[derive(Debug)]
pub(crate) struct Mischief {
    pub(crate) choices: Choices,
    /// A segment arrives during a system call, once in so many.
    pub(crate) arrivals: usize,
    /// A wait reports what is not so, or not all, or nothing, once in so many.
    pub(crate) waits: usize,
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
    pub(crate) rested: bool,
    /// A signal cut the last wait short.
    pub(crate) interrupted: bool,
    /// So many waits will be.
    pub(crate) signals: usize,
    /// How long a system call but a wait takes.
    pub(crate) charge: Duration,
    /// The process stands still for so long within the next system call but a wait.
    pub(crate) stands_still: Duration,
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
    pub(crate) mischief: Option<Mischief>,
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
            rested: false,
            interrupted: false,
            signals: 0,
            charge: Duration::ZERO,
            stands_still: Duration::ZERO,
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
            mischief: None,
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
        let connection = Connection {
            wire: VecDeque::new(),
            inbound: VecDeque::new(),
            outbound: Vec::new(),
            room: usize::MAX,
            send_buffer: usize::MAX,
            freed_at: None,
            ending: Ending::Open,
            sends: 0,
            unsent_limits: Vec::new(),
            recvs: 0,
            client_ended: false,
            client_reset: false,
            client_gone: false,
            wants_room: false,
            closed: false,
            token: None,
            is_queued: false,
            error_taken: false,
            read: 0,
            read_at: Duration::ZERO,
            reads: Vec::new(),
            looks: Vec::new(),
            takes: Vec::new(),
            written: 0,
            written_at: Duration::ZERO,
            told_end: false,
            accepted_at: None,
            closed_at: None,
            closed_behind_end: false,
            held_before: 0,
        };
        self.connections.push(connection);
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
        self.now += self.charge + std::mem::take(&mut self.stands_still);
        let Some(mischief) = &self.mischief else { return };
        if self.connections.is_empty() || !mischief.choices.one_in(mischief.arrivals) {
            return;
        }
        let start = mischief.choices.below(self.connections.len());
        let order = (start..self.connections.len()).chain(0..start).take(16);
        if let Some(number) = order.into_iter().find(|&at| !self.connections[at].wire.is_empty()) {
            self.arrive(number);
        }
    }
}

impl Connection {
    /// Whether the kernel would report room.
    pub(crate) const fn is_writable(&self) -> bool {
        let enough = if self.send_buffer == usize::MAX { 1 } else { self.send_buffer.div_ceil(3) };
        self.room >= enough || self.client_reset || !matches!(self.ending, Ending::Open)
    }

    /// The error of a reset, once: of one behind the end of the stream, it is another (tcp_reset).
    pub(crate) const fn take_error(&mut self) -> Option<i32> {
        if std::mem::replace(&mut self.error_taken, true) {
            return None;
        }
        Some(if self.client_ended { libc::EPIPE } else { libc::ECONNRESET })
    }

    /// Bytes of the client's stream that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.read + self.inbound.len()
    }

    /// Notes that the worker has asked for what it has not read.
    pub(crate) fn was_looked_at(&mut self, now: Duration) {
        if self.looks.last().is_none_or(|(_, at)| *at < now) {
            self.looks.push((self.arrived(), now));
        }
    }

    /// Counts bytes that the worker has read.
    pub(crate) fn has_read(&mut self, len: usize, now: Duration) {
        self.read += len;
        self.read_at = now;
        match self.reads.last_mut() {
            Some((read, at)) if *at == now => *read = self.read,
            _ => self.reads.push((self.read, now)),
        }
    }

    /// How much had been read before the time `now`, and when last.
    pub(crate) fn read_before(&self, now: Duration) -> (usize, Duration) {
        let before = self.reads.partition_point(|(_, at)| *at < now);
        before.checked_sub(1).map_or((0, Duration::ZERO), |last| self.reads[last])
    }

    /// When the byte at that place of the client's stream was read, if it was.
    pub(crate) fn read_since(&self, place: usize) -> Option<Duration> {
        let first = self.reads.partition_point(|(read, _)| *read <= place);
        self.reads.get(first).map(|(_, at)| *at)
    }

    /// Whether there is anything to read: bytes, the end, or an error.
    pub(crate) fn is_readable(&self) -> bool {
        !self.inbound.is_empty() || ((self.client_ended || self.client_reset) && !self.told_end)
    }
}
