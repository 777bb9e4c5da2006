//! The output of clients: only this module makes their frames, and it notes the meaning of each for the server.

use super::behavior::Bounds;
use super::choices::Choices;
use super::deflate::ClientDeflater;
use super::hostile::{self, Fault};
use crate::ws::deflate::Direction;
use crate::ws::{CloseCode, Opcode, encode};

/// The `Sec-WebSocket-Key` of every request.
pub(crate) const KEY: &[u8; 24] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// The application's action on a message. The message does not contain it: the application looks it up in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppAction {
    /// Sends the message back.
    Echo,
    /// Sends the message back this many times.
    Repeat(usize),
    Quiet,
    /// Sends a message of this many bytes.
    Answer(usize),
    /// Sends the message back and closes the connection with this code.
    Close(u16),
    /// Sends to the same connection through the mailbox.
    Post,
    /// Drains the server.
    Drain,
}

/// The meaning of an item once it has arrived completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A request, and the status of the response that it must receive.
    Request(u16),
    Message(Opcode, Vec<u8>, AppAction),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// A protocol violation, and the close code that it must receive.
    Fault(Fault),
}

/// An item of a client's output: a request, a message, a control frame or a violation.
#[derive(Debug)]
pub(crate) struct OutputItem {
    pub(crate) what: ItemKind,
    /// The offsets of the item's start and end in the client's stream.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether the application has received the message, or has opened the connection.
    pub(crate) delivered: bool,
    /// The application's replies.
    pub(crate) replies: Vec<(Opcode, Vec<u8>)>,
}

/// A client's stream.
#[derive(Debug, Default)]
pub(crate) struct ClientOutput {
    pub(crate) script: Vec<OutputItem>,
    /// Bytes made but not sent yet.
    pub(crate) pending: Vec<u8>,
    /// The number of bytes sent.
    sent: usize,
    /// Whether the stream has a Close or a violation: the server ignores all bytes after it.
    pub(crate) is_finished: bool,
    messages: usize,
    compresses: bool,
    /// The compression that the client's request offers.
    pub(crate) offer: Option<&'static str>,
    /// The compressor; `Some` once the client knows that compression was agreed on.
    pub(crate) deflater: Option<ClientDeflater>,
}

impl ClientOutput {
    /// Appends the request of client `number` to open a WebSocket.
    pub(crate) fn request(&mut self, number: usize) {
        let start = self.pending.len();
        let host = "simulated";
        let (target, offer) = (format!("/{number}"), self.offer.unwrap_or(""));
        crate::ws::client::request_with_extensions(&mut self.pending, host, &target, KEY, "", offer);
        self.note(start, ItemKind::Request(101));
    }

    /// Appends a request that must receive an error.
    pub(crate) fn bad_request(&mut self, number: usize, choices: &Choices) {
        let start = self.pending.len();
        let status = hostile::request(&mut self.pending, number, choices);
        self.note(start, ItemKind::Request(status));
        self.is_finished = true;
    }

    /// Allows messages to be compressed from now on.
    pub(crate) fn agree(&mut self, direction: Direction) {
        self.deflater = Some(ClientDeflater::new(direction));
    }

    /// Appends a message in one frame, compressed if compression was agreed on.
    pub(crate) fn compressed_message(
        &mut self,
        len: usize,
        order: AppAction,
        bounds: Bounds,
        choices: &Choices,
    ) {
        self.compresses = true;
        self.message(len, 1, order, bounds, choices);
        self.compresses = false;
    }

    /// Appends a message in at most `frames` frames with Pings between them.
    pub(crate) fn message(
        &mut self,
        len: usize,
        frames: usize,
        order: AppAction,
        bounds: Bounds,
        choices: &Choices,
    ) {
        let len = len.min(bounds.max_message);
        let opcode = choices.pick(&[Opcode::Text, Opcode::Binary]);
        let payload = self.payload(opcode, len);
        let compresses = self.compresses;
        let deflater = self.deflater.as_mut().filter(|_| compresses || choices.one_in(2));
        let compressed = deflater.map(|deflater| deflater.compress(&payload));
        let wire = compressed.as_deref().unwrap_or(&payload);
        let frames = frames.clamp(1, bounds.max_frames as usize);
        let mut at = 0;
        let start = self.pending.len();
        for frame in 1..=frames {
            let last = frame == frames;
            let end = if last { wire.len() } else { choices.between(at, wire.len()) };
            let (piece, key) = (&wire[at..end], Some(key(choices)));
            match frame {
                1 if compressed.is_some() => {
                    encode::compressed_fragment(&mut self.pending, last.into(), opcode, piece, key);
                }
                1 => encode::fragment(&mut self.pending, last.into(), opcode, piece, key),
                _ => encode::fragment(&mut self.pending, last.into(), Opcode::Continuation, piece, key),
            }
            at = end;
            if !last && choices.one_in(3) {
                self.ping(choices);
            }
        }
        self.note(start, ItemKind::Message(opcode, payload, order));
    }

    /// Appends a message in two frames, with `pings` Pings of the greatest length between them. Returns the number of pending bytes before
    /// the Pings, and the number of bytes of the Pings.
    pub(crate) fn message_with_pings(
        &mut self,
        pings: usize,
        bounds: Bounds,
        choices: &Choices,
    ) -> (usize, usize) {
        let payload = self.payload(Opcode::Text, 20.min(bounds.max_message));
        let start = self.pending.len();
        encode::fragment(
            &mut self.pending,
            encode::Fin::Clear,
            Opcode::Text,
            &payload[..5],
            Some(key(choices)),
        );
        let first = self.pending.len();
        for _ in 0..pings {
            self.ping_with(vec![b'?'; 125], choices);
        }
        let before = self.pending.len();
        let rest = &payload[5..];
        encode::frame(&mut self.pending, Opcode::Continuation, rest, Some(key(choices)));
        self.note(start, ItemKind::Message(Opcode::Text, payload, AppAction::Quiet));
        (first, before - first)
    }

    pub(crate) fn ping(&mut self, choices: &Choices) {
        self.ping_with(vec![b'?'; choices.pick(&[0, 1, 8, 125])], choices);
    }

    fn ping_with(&mut self, payload: Vec<u8>, choices: &Choices) {
        let start = self.pending.len();
        encode::frame(&mut self.pending, Opcode::Ping, &payload, Some(key(choices)));
        self.note(start, ItemKind::Ping(payload));
    }

    pub(crate) fn pong(&mut self, payload: &[u8], choices: &Choices) {
        let start = self.pending.len();
        encode::frame(&mut self.pending, Opcode::Pong, payload, Some(key(choices)));
        self.note(start, ItemKind::Pong(payload.into()));
    }

    pub(crate) fn close(&mut self, code: Option<u16>, choices: &Choices) {
        let start = self.pending.len();
        let legal = code.and_then(CloseCode::new);
        encode::close(&mut self.pending, legal, "client", Some(key(choices)));
        self.note(start, ItemKind::Close(legal.map(CloseCode::get)));
        self.is_finished = true;
    }

    pub(crate) fn fault(&mut self, bounds: Bounds, choices: &Choices) {
        let start = self.pending.len();
        let fault = match &mut self.deflater {
            Some(deflater) if choices.one_in(2) => {
                hostile::compressed(&mut self.pending, bounds, deflater, choices)
            }
            _ => hostile::frames(&mut self.pending, bounds, self.offer.is_some(), choices),
        };
        self.note(start, ItemKind::Fault(fault));
        self.is_finished = true;
    }

    /// Appends random bytes after the end of the items that the server handles.
    pub(crate) fn garbage(&mut self, choices: &Choices) {
        if matches!(self.script.last(), Some(item) if item.what == ItemKind::Request(101)) {
            // A request that was sent by half must stay incomplete.
            return;
        }
        let len = choices.between(1, 300);
        self.pending.extend(std::iter::repeat_with(|| choices.bits().to_be_bytes()[0]).take(len));
    }

    /// Returns the start of the item that the server has read in part: of a message, even if the part ends in a Ping between its frames.
    pub(crate) fn start_of_partly_read(&self, read: usize) -> Option<usize> {
        let partly = self.script.iter().filter(|item| item.start < read && read < item.end);
        partly.filter(|item| !matches!(item.what, ItemKind::Request(_))).map(|item| item.start).min()
    }

    /// Returns the start of the first message that the server has read completely and the application has not received.
    pub(crate) fn undelivered(&self, read: usize) -> Option<usize> {
        let is_message = |item: &&OutputItem| matches!(item.what, ItemKind::Message(..) | ItemKind::Fault(_));
        let mut read = self.script.iter().filter(|item| item.end <= read && !item.delivered);
        read.find(is_message).map(|item| item.start)
    }

    /// Returns the number of bytes made, sent or pending.
    pub(crate) fn produced(&self) -> usize {
        self.sent + self.pending.len()
    }

    /// Takes up to `most` bytes to send.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let len = self.pending.len().min(most);
        self.sent += len;
        self.pending.drain(..len).collect()
    }

    /// Returns whether the stream ends with a Close.
    pub(crate) fn ends_with_close(&self) -> bool {
        self.script
            .last()
            .is_some_and(|item| matches!(item.what, ItemKind::Close(_)) && item.end == self.produced())
    }

    fn note(&mut self, start: usize, what: ItemKind) {
        let (start, end) = (self.sent + start, self.produced());
        self.script.push(OutputItem { what, start, end, delivered: false, replies: Vec::new() });
    }

    /// Makes a payload that differs from those of the client's other messages if it is long enough.
    fn payload(&mut self, opcode: Opcode, len: usize) -> Vec<u8> {
        self.messages += 1;
        let mut payload = format!("c{} ", self.messages).into_bytes();
        let seed = u8::try_from(self.messages % 26).unwrap_or(0);
        while payload.len() < len {
            let at = u8::try_from(payload.len() % 7).unwrap_or(0);
            payload.push(if opcode == Opcode::Text { b'a' + (seed + at) % 26 } else { seed ^ (at << 5) });
        }
        payload.truncate(len);
        payload
    }
}

fn key(choices: &Choices) -> [u8; 4] {
    let bits = choices.bits();
    std::array::from_fn(|at| bits.to_be_bytes()[at])
}
