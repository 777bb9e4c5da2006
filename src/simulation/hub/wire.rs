//! A client's connection: the bytes that it sends and reads, the way it ends, and the response to its request.

use super::view::ClientView;
use crate::simulation::choices::Choices;
use crate::simulation::connection::{Ending, Segment};
use crate::simulation::deflate::OFFERS;
use crate::simulation::output::KEY;
use crate::simulation::parser::{Received, StreamParser};
use crate::simulation::run::Violation;
use crate::simulation::world::World;
use crate::ws::{CloseCode, Opcode, client, encode};

/// A client and its connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    /// The number of the worker that the client is connected to; `socket` is the number of its socket there.
    pub(crate) node: usize,
    socket: usize,
    /// The most bytes that the client reads at a time, once in `read_every` turns.
    read_size: usize,
    read_every: usize,
    /// The bytes to send that are not on the wire yet.
    pending: Vec<u8>,
    parser: StreamParser,
    pub(crate) view: ClientView,
    pub(crate) status: Option<u16>,
    /// The code of the Close that the client received.
    pub(crate) got_close: Option<u16>,
    /// Whether the client has sent a Close and only waits for the answer.
    pub(crate) sent_close: bool,
    /// Whether the client takes no further part in the run.
    pub(crate) has_left: bool,
    /// The status that the client's request must receive.
    pub(crate) deserves: u16,
    /// Whether the client has sent something that it must not send.
    pub(crate) has_erred: bool,
    /// Whether the server was stopped, so that the stream may end at any point.
    pub(crate) may_break_off: bool,
}

/// The way in which a client disconnects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disconnect {
    /// The client resets the connection, which may discard bytes on the wire.
    Reset { overtakes: bool },
    /// The client's process ends: its stream ends, and later bytes to it are answered with a reset.
    Vanish,
    /// The client sends a Close and waits for the answer.
    Close,
}

impl Client {
    /// Connects with a request for this target.
    pub(crate) fn new(
        number: usize,
        (node, socket): (usize, usize),
        target: &str,
        view: ClientView,
        reads_everything: bool,
        world: &mut World,
        choices: &Choices,
    ) -> Self {
        let buffer = if reads_everything {
            usize::MAX
        } else {
            choices.pick(&[usize::MAX, usize::MAX, 60, 1_000, 20_000])
        };
        let mut parser = StreamParser::default();
        let offer = if choices.one_in(2) { choices.pick(&OFFERS) } else { "" };
        parser.offer = if offer.is_empty() { None } else { offer.parse().ok() };
        let mut pending = Vec::new();
        let subprotocol = if view.is_v1 { choices.pick(&["throng.v1", "other, throng.v1"]) } else { "" };
        client::request_with_extensions(&mut pending, "simulated", target, KEY, subprotocol, offer);
        let client = Self {
            number,
            node,
            socket,
            read_size: if reads_everything { usize::MAX } else { choices.pick(&[10, 1_000, usize::MAX]) },
            read_every: if reads_everything { 1 } else { choices.pick(&[1, 2, 12, 100]) },
            pending,
            parser,
            view,
            status: None,
            got_close: None,
            sent_close: false,
            has_left: false,
            deserves: 101,
            has_erred: false,
            may_break_off: false,
        };
        client.set_buffer(buffer, world);
        client
    }

    /// Sets the number of unread bytes that the kernels of the client and the worker hold.
    pub(crate) fn set_buffer(&self, bytes: usize, world: &mut World) {
        let connection = &mut world.connections[self.socket];
        (connection.room, connection.send_buffer) = (bytes, bytes);
    }

    /// Returns whether the client has an open WebSocket and may send messages.
    pub(crate) fn is_open(&self) -> bool {
        self.status == Some(101) && self.got_close.is_none() && !self.sent_close && !self.has_left
    }

    pub(crate) fn queue_message(&mut self, opcode: Opcode, payload: &[u8]) {
        encode::frame(&mut self.pending, opcode, payload, Some([5, 6, 7, 8]));
    }

    /// Puts up to `most` pending bytes on the wire. Returns whether there were any.
    pub(crate) fn send(&mut self, world: &mut World, most: usize) -> bool {
        let len = self.pending.len().min(most);
        if len == 0 {
            return false;
        }
        let bytes = self.pending.drain(..len).collect();
        world.connections[self.socket].wire.push_back(Segment::Data(bytes));
        true
    }

    pub(crate) fn arrive(&self, world: &mut World) -> bool {
        world.arrive(self.socket)
    }

    /// Reads the usual number of bytes, or all of them. Returns the messages received.
    pub(crate) fn read(
        &mut self,
        world: &mut World,
        all: bool,
        choices: &Choices,
    ) -> Result<Vec<(Opcode, Vec<u8>)>, Violation> {
        if self.has_left || !(all || choices.one_in(self.read_every)) {
            return Ok(Vec::new());
        }
        let most = if all { usize::MAX } else { self.read_size };
        let connection = &world.connections[self.socket];
        let bytes = connection.outbound[..connection.outbound.len().min(most)].to_vec();
        world.client_reads(self.socket, most);
        let mut messages = Vec::new();
        for (_, received) in self.parser.feed(&bytes)? {
            match received {
                Received::Response(status, _) => self.status = Some(status),
                Received::Message(opcode, payload) => messages.push((opcode, payload)),
                Received::Close(code, _) => {
                    self.got_close = Some(code.unwrap_or(1005));
                    if !self.sent_close {
                        encode::close(&mut self.pending, code.and_then(CloseCode::new), "", Some([1; 4]));
                        self.send(world, usize::MAX);
                    }
                    self.end(world);
                }
                Received::Ping(_) | Received::Pong(_) => return Err("a Ping or a Pong".into()),
            }
        }
        let connection = &world.connections[self.socket];
        match connection.ending {
            _ if !connection.outbound.is_empty() || self.has_left => {}
            Ending::Open => {}
            // A client that was refused does not wait.
            Ending::Clean if self.may_break_off || self.status != Some(101) => self.end(world),
            Ending::Clean if !self.parser.is_between() => return Err("the stream ends within a frame".into()),
            Ending::Clean if self.status == Some(101) && self.got_close.is_none() => {
                return Err("the stream ends without a Close".into());
            }
            Ending::Clean => self.end(world),
            Ending::Reset => {
                self.has_left = true;
            }
        }
        Ok(messages)
    }

    fn end(&mut self, world: &mut World) {
        world.connections[self.socket].wire.push_back(Segment::End);
        self.has_left = true;
    }

    pub(crate) fn disconnect(&mut self, disconnect: Disconnect, world: &mut World) {
        let connection = &mut world.connections[self.socket];
        match disconnect {
            Disconnect::Close if self.is_open() => {
                encode::close(&mut self.pending, Some(CloseCode::NORMAL), "", Some([9; 4]));
                self.send(world, usize::MAX);
                self.sent_close = true;
                return;
            }
            Disconnect::Reset { overtakes } => {
                if overtakes {
                    connection.wire.clear();
                }
                connection.wire.push_back(Segment::Reset);
            }
            _ if connection.outbound.is_empty() => connection.wire.push_back(Segment::End),
            _ => connection.wire.push_back(Segment::Reset),
        }
        connection.client_gone = true;
        self.has_left = true;
    }
}
