//! A system that costs next to nothing: sockets deliver bytes that were prepared, swallow what is sent, and are counted.
//!
//! It has the edges of epoll: data that arrives reports its socket once, with the room to write that there always is, and so does
//! the beginning of the watch. There is always room, and nothing ever fails: what full buffers and errors lead to is the simulation's
//! to look at.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::calls::{Calls, tally};
use crate::worker::{Ready, Token};

/// A Ping with sixteen bytes, as a worker sends them, and a client's Pong.
const PING: [u8; 2] = [0x89, 16];
const PONG: [u8; 2] = [0x8a, 0x90];
const PONG_LEN: usize = 22;
/// The masking key of Pongs.
const PONG_KEY: [u8; 4] = [0x6b, 0xe3, 0x19, 0xd4];

/// Bytes that clients send, prepared once and sent by many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script(usize);

/// What a client sends.
#[derive(Debug, Clone, Copy)]
enum Source {
    Script(Script),
    Pong([u8; PONG_LEN]),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    source: Source,
    /// Bytes of the source that were read.
    read: usize,
    pub(super) token: Option<Token>,
    /// What was sent to the client, while the kernel listens.
    heard: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Kernel {
    scripts: Vec<Vec<u8>>,
    pub(super) streams: Vec<Stream>,
    /// Places of streams that were closed.
    pub(super) free: Vec<u32>,
    /// Clients that wait to be accepted.
    pub(super) backlog: VecDeque<u32>,
    pub(super) listener: Option<Token>,
    pub(super) ready: VecDeque<Ready>,
    pub(super) now: Duration,
    /// The worker would sleep: nothing is ready and its timeout is not zero.
    pub(super) rested: bool,
    /// Time passes while the worker sleeps, until then.
    pub(super) wakes_at: Option<Duration>,
    /// Keeps what is sent.
    pub(super) listens: bool,
    pub(super) answers_pings: bool,
    /// Pings that were sent to clients that answer them.
    pub(super) pings: u64,
    pub(super) calls: Calls,
    /// Numbers drawn, as the generator counts them.
    pub(super) drawn: u64,
}

impl Kernel {
    /// One with memory for so many clients.
    pub(super) fn new(clients: usize) -> Self {
        Self {
            scripts: Vec::with_capacity(64),
            streams: Vec::with_capacity(clients),
            free: Vec::with_capacity(clients),
            backlog: VecDeque::with_capacity(clients),
            listener: None,
            ready: VecDeque::with_capacity(clients + 1),
            now: Duration::from_secs(1),
            rested: false,
            wakes_at: None,
            listens: false,
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

    /// A client connects and sends the script. Its number is returned, which is another one's once its socket is closed.
    pub(super) fn connect(&mut self, script: Script) -> u32 {
        self.rested = false;
        let stream = Stream { source: Source::Script(script), read: 0, token: None, heard: Vec::new() };
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
            self.ready.push_back(Ready { token, readable: true, writable: false, closed: false });
        }
        self.backlog.push_back(number);
        number
    }

    /// A client sends the script. `false` when it has sent something that was not read yet.
    pub(super) fn deliver(&mut self, number: u32, script: Script) -> bool {
        if self.unread(number) > 0 {
            return false;
        }
        self.send_to_worker(number, Source::Script(script));
        true
    }

    fn send_to_worker(&mut self, number: u32, source: Source) {
        self.rested = false;
        let stream = &mut self.streams[number as usize];
        (stream.source, stream.read) = (source, 0);
        if let Some(token) = stream.token {
            self.ready.push_back(Ready { token, readable: true, writable: true, closed: false });
        }
    }

    /// Bytes that a client has sent and the worker has not read.
    pub(super) fn unread(&self, number: u32) -> usize {
        let stream = &self.streams[number as usize];
        let sent = match &stream.source {
            Source::Script(script) => self.scripts[script.0].len(),
            Source::Pong(pong) => pong.len(),
        };
        sent - stream.read
    }

    /// What was sent to a client since this was last asked.
    pub(super) fn take_heard(&mut self, number: u32) -> Vec<u8> {
        std::mem::take(&mut self.streams[number as usize].heard)
    }

    /// The next bytes that a client has sent, as many as fit.
    pub(super) fn recv(&mut self, number: u32, buffer: &mut [u8]) -> io::Result<usize> {
        tally(&mut self.calls.recv);
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

    /// Swallows bytes for a client, which answers a Ping by itself if it is not sending anything else.
    pub(super) fn send(&mut self, number: u32, bytes: &[u8]) {
        self.calls.bytes_out += bytes.len() as u64;
        if self.listens {
            self.streams[number as usize].heard.extend_from_slice(bytes);
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
