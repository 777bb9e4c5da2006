//! A system that costs next to nothing: its sockets deliver prepared bytes, discard sent bytes, and count calls.
//!
//! Readiness is edge-triggered, like that of epoll: a socket is reported once when it is registered and once when data arrives, always as
//! writable. Send buffers are never full and no call fails; the simulation covers both cases.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::calls::{Calls, count};
use crate::worker::{Ready, Token};

/// The first bytes of a worker's Ping with a payload of 16 bytes, and of a client's Pong.
const PING: [u8; 2] = [0x89, 16];
const PONG: [u8; 2] = [0x8a, 0x90];
const PONG_LEN: usize = 22;
/// The masking key of Pongs.
const PONG_KEY: [u8; 4] = [0x6b, 0xe3, 0x19, 0xd4];

/// Prepared bytes that any number of clients can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script(usize);

/// The source of a client's bytes.
#[derive(Debug, Clone, Copy)]
enum Source {
    Script(Script),
    Pong([u8; PONG_LEN]),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    source: Source,
    /// Bytes of the source that the worker has read.
    read: usize,
    pub(super) token: Option<Token>,
    /// Bytes that the client received while [`keeps_sent`](CountingKernel::keeps_sent) was set.
    received: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct CountingKernel {
    scripts: Vec<Vec<u8>>,
    pub(super) streams: Vec<Stream>,
    /// Indices of closed streams, which new streams reuse.
    pub(super) free: Vec<u32>,
    /// Clients that wait to be accepted.
    pub(super) backlog: VecDeque<u32>,
    pub(super) listener: Option<Token>,
    pub(super) ready: VecDeque<Ready>,
    pub(super) now: Duration,
    /// Whether the worker would sleep: nothing is ready and its timeout is not zero.
    pub(super) is_idle: bool,
    /// While the worker sleeps, the clock advances to this time.
    pub(super) wakes_at: Option<Duration>,
    /// Whether the bytes sent to clients are kept.
    pub(super) keeps_sent: bool,
    pub(super) answers_pings: bool,
    /// Pings sent to clients that answer them.
    pub(super) pings: u64,
    pub(super) calls: Calls,
    /// The state of the random number generator, which advances by a constant with each draw.
    pub(super) drawn: u64,
}

impl CountingKernel {
    /// Makes a system with memory for `clients` clients.
    pub(super) fn new(clients: usize) -> Self {
        Self {
            scripts: Vec::with_capacity(64),
            streams: Vec::with_capacity(clients),
            free: Vec::with_capacity(clients),
            backlog: VecDeque::with_capacity(clients),
            listener: None,
            ready: VecDeque::with_capacity(clients + 1),
            now: Duration::from_secs(1),
            is_idle: false,
            wakes_at: None,
            keeps_sent: false,
            answers_pings: false,
            pings: 0,
            calls: Calls::default(),
            drawn: 0,
        }
    }

    pub(super) fn add_script(&mut self, bytes: Vec<u8>) -> Script {
        self.scripts.push(bytes);
        Script(self.scripts.len() - 1)
    }

    /// Connects a client that sends the script. Returns its number, which the next client takes once this client's socket is closed.
    pub(super) fn connect(&mut self, script: Script) -> u32 {
        self.is_idle = false;
        let stream = Stream { source: Source::Script(script), read: 0, token: None, received: Vec::new() };
        let number = if let Some(number) = self.free.pop() {
            self.streams[number as usize] = stream;
            number
        } else {
            self.streams.push(stream);
            u32::try_from(self.streams.len() - 1).unwrap_or(u32::MAX)
        };
        if let Some(token) = self.listener
            && self.backlog.is_empty()
        {
            self.ready.push_back(Ready { token, readable: true, writable: false, read_closed: false });
        }
        self.backlog.push_back(number);
        number
    }

    /// Has a client send the script. Returns `false` and sends nothing while earlier bytes are unread.
    pub(super) fn deliver(&mut self, number: u32, script: Script) -> bool {
        if self.unread(number) > 0 {
            return false;
        }
        self.send_to_worker(number, Source::Script(script));
        true
    }

    fn send_to_worker(&mut self, number: u32, source: Source) {
        self.is_idle = false;
        let stream = &mut self.streams[number as usize];
        (stream.source, stream.read) = (source, 0);
        if let Some(token) = stream.token {
            self.ready.push_back(Ready { token, readable: true, writable: true, read_closed: false });
        }
    }

    /// Returns the number of bytes that a client has sent and the worker has not read.
    pub(super) fn unread(&self, number: u32) -> usize {
        let stream = &self.streams[number as usize];
        let sent = match &stream.source {
            Source::Script(script) => self.scripts[script.0].len(),
            Source::Pong(pong) => pong.len(),
        };
        sent - stream.read
    }

    /// Takes the kept bytes that a client has received.
    pub(super) fn take_received(&mut self, number: u32) -> Vec<u8> {
        std::mem::take(&mut self.streams[number as usize].received)
    }

    /// Receives the next bytes of a client, as many as fit.
    pub(super) fn recv(&mut self, number: u32, buffer: &mut [u8]) -> io::Result<usize> {
        count(&mut self.calls.recv);
        let Self { scripts, streams, calls, .. } = self;
        let stream = &mut streams[number as usize];
        let source = match &stream.source {
            Source::Script(script) => &scripts[script.0][..],
            Source::Pong(pong) => pong,
        };
        let unread = &source[stream.read..];
        let len = unread.len().min(buffer.len());
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..len].copy_from_slice(&unread[..len]);
        stream.read += len;
        calls.bytes_in += len as u64;
        Ok(len)
    }

    /// Sends bytes to a client. A client that answers Pings answers at once, unless bytes that it has sent are unread.
    pub(super) fn send(&mut self, number: u32, bytes: &[u8]) {
        self.calls.bytes_out += bytes.len() as u64;
        if self.keeps_sent {
            self.streams[number as usize].received.extend_from_slice(bytes);
        }
        if self.answers_pings
            && let [first, second, payload @ ..] = bytes
            && [*first, *second] == PING
            && payload.len() == 16
            && self.unread(number) == 0
        {
            let mut pong = [0; PONG_LEN];
            pong[..2].copy_from_slice(&PONG);
            pong[2..6].copy_from_slice(&PONG_KEY);
            for (at, byte) in payload.iter().enumerate() {
                pong[6 + at] = byte ^ PONG_KEY[at % 4];
            }
            self.pings += 1;
            self.send_to_worker(number, Source::Pong(pong));
        }
    }
}
