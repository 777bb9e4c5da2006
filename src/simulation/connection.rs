//! A connection of the simulated kernel: both its queues, and what the worker has done with it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::worker::Token;

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

    // What the worker has done so far, for those who check it.
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

impl Connection {
    /// A connection in the queue of a listener.
    pub(crate) const fn new() -> Self {
        Self {
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
        }
    }

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
