//! A connection of the simulated kernel: its two queues, and the worker's actions on it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::worker::Token;

/// A descriptor of the worker. Like an `OwnedFd`, it cannot be copied.
#[derive(Debug)]
pub(crate) struct Fd(pub(crate) usize);

/// The way in which a connection has ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The connection has not ended.
    Open,
    /// The stream has ended after all sent bytes.
    Clean,
    /// The connection was reset, which may discard sent bytes.
    Reset,
}

/// A segment from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Data(Vec<u8>),
    /// The end of the client's half.
    End,
    Reset,
}

/// A connection: its two queues, and the kernel's state of it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Segments from the client that have not arrived.
    pub(crate) wire: VecDeque<Segment>,
    /// Bytes from the client that have arrived and are unread.
    pub(crate) inbound: VecDeque<u8>,
    /// Bytes to the client that it has not read.
    pub(crate) outbound: Vec<u8>,
    /// Free bytes of the send buffer.
    pub(crate) room: usize,
    /// The size of the send buffer in bytes; a third must be free before the socket counts as writable (`sk_stream_is_writeable`).
    pub(crate) send_buffer: usize,
    /// The time when the send buffer ceased to be limited.
    pub(crate) freed_at: Option<Duration>,
    pub(crate) ending: Ending,
    /// Calls that sent bytes, or tried to.
    pub(crate) sends: usize,
    /// Every limit of unsent bytes that the worker has set.
    pub(crate) unsent_limits: Vec<u32>,
    pub(crate) recvs: usize,
    pub(crate) client_ended: bool,
    pub(crate) client_reset: bool,
    /// Whether the client has closed its socket: further data to the client is answered with a reset.
    pub(crate) client_gone: bool,
    /// Whether the worker has met a full send buffer and waits for room (`SOCK_NOSPACE`).
    pub(crate) wants_room: bool,
    pub(crate) closed: bool,
    pub(crate) token: Option<Token>,
    /// Whether the connection is in the ready list.
    pub(crate) is_queued: bool,
    /// Whether a call has returned the error of a reset (`SO_ERROR`); later calls return only the end of the stream.
    pub(crate) error_taken: bool,

    // The worker's actions so far, for the checks.
    /// Bytes that the worker has read; `read_at` is the time of the last read.
    pub(crate) read: usize,
    pub(crate) read_at: Duration,
    /// The bytes read so far, at each time of a read.
    pub(crate) reads: Vec<(usize, Duration)>,
    /// The bytes that had arrived, at each time when the worker asked for the number of unread bytes; only the first query of a time
    /// counts.
    pub(crate) looks: Vec<(usize, Duration)>,
    /// The bytes that the client had read so far, at each time when it read any.
    pub(crate) takes: Vec<(usize, Duration)>,
    /// Bytes that the kernel has taken for sending; `written_at` is the time of the last of them.
    pub(crate) written: usize,
    pub(crate) written_at: Duration,
    /// Whether a call has returned the end of the stream or an error.
    pub(crate) reported_end: bool,
    pub(crate) accepted_at: Option<Duration>,
    pub(crate) closed_at: Option<Duration>,
    /// Whether the client had ended its half of the stream when the worker closed the socket.
    pub(crate) closed_behind_end: bool,
    /// Descriptors that the worker held before it accepted this connection.
    pub(crate) held_before: usize,
}

impl Connection {
    /// Makes a connection that waits in the queue of a listener.
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
            reported_end: false,
            accepted_at: None,
            closed_at: None,
            closed_behind_end: false,
            held_before: 0,
        }
    }

    /// Returns whether the kernel would report room.
    pub(crate) const fn is_writable(&self) -> bool {
        let enough = if self.send_buffer == usize::MAX { 1 } else { self.send_buffer.div_ceil(3) };
        self.room >= enough || self.client_reset || !matches!(self.ending, Ending::Open)
    }

    /// Takes the error of a reset, once: `EPIPE` for a reset after the end of the stream, `ECONNRESET` otherwise (tcp_reset).
    pub(crate) const fn take_error(&mut self) -> Option<i32> {
        if std::mem::replace(&mut self.error_taken, true) {
            return None;
        }
        Some(if self.client_ended { libc::EPIPE } else { libc::ECONNRESET })
    }

    /// Returns the bytes of the client's stream that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.read + self.inbound.len()
    }

    /// Notes that the worker has asked for the number of unread bytes.
    pub(crate) fn note_unread_query(&mut self, now: Duration) {
        if self.looks.last().is_none_or(|(_, at)| *at < now) {
            self.looks.push((self.arrived(), now));
        }
    }

    /// Notes that the worker has read `len` bytes.
    pub(crate) fn has_read(&mut self, len: usize, now: Duration) {
        self.read += len;
        self.read_at = now;
        match self.reads.last_mut() {
            Some((read, at)) if *at == now => *read = self.read,
            _ => self.reads.push((self.read, now)),
        }
    }

    /// Returns the bytes read before the time `now`, and the time of the last read before it.
    pub(crate) fn read_before(&self, now: Duration) -> (usize, Duration) {
        let before = self.reads.partition_point(|(_, at)| *at < now);
        before.checked_sub(1).map_or((0, Duration::ZERO), |last| self.reads[last])
    }

    /// Returns the time when the byte at `place` of the client's stream was read, or `None` if it is unread.
    pub(crate) fn read_since(&self, place: usize) -> Option<Duration> {
        let first = self.reads.partition_point(|(read, _)| *read <= place);
        self.reads.get(first).map(|(_, at)| *at)
    }

    /// Returns whether there is anything to read: bytes, the end of the stream, or an error.
    pub(crate) fn is_readable(&self) -> bool {
        !self.inbound.is_empty() || ((self.client_ended || self.client_reset) && !self.reported_end)
    }
}
