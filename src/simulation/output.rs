//! What clients say: the only place where their frames are made, each noted with what it means to the server.

use super::behavior::Bounds;
use super::choices::Choices;
use super::deflate::ClientDeflater;
use super::hostile::{self, Fault};
use crate::ws::deflate::Direction;
use crate::ws::{CloseCode, Opcode, encode};

/// The key of every request, and so of every answer.
pub(crate) const KEY: &[u8; 24] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// What the application does with a message. It is not in the message: the application looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppAction {
    /// Sends it back.
    Echo,
    /// Sends it back so many times.
    Repeat(usize),
    Quiet,
    /// Sends that many bytes.
    Answer(usize),
    /// Sends it back and closes with this code.
    Close(u16),
    /// Has the same connection sent to through the mailbox.
    Post,
    /// Ends the server in order.
    Drain,
}

/// What a client has said, when all of it has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A request, and the status it deserves.
    Request(u16),
    Message(Opcode, Vec<u8>, AppAction),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// A violation, and the code it deserves.
    Fault(Fault),
}

/// One thing that a client says.
#[derive(Debug)]
pub(crate) struct OutputItem {
    pub(crate) what: ItemKind,
    /// Where it begins and ends in the client's stream.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The application was given the message, or has opened the connection.
    pub(crate) delivered: bool,
    /// What the application has sent in answer.
    pub(crate) replies: Vec<(Opcode, Vec<u8>)>,
}

/// A client's stream, as it is made.
#[derive(Debug, Default)]
pub(crate) struct ClientOutput {
    pub(crate) script: Vec<OutputItem>,
    /// Bytes made but not sent yet.
    pub(crate) pending: Vec<u8>,
    /// Bytes sent.
    sent: usize,
    /// A Close or a violation is out: the server hears nothing of what comes behind.
    pub(crate) is_finished: bool,
    messages: usize,
    compresses: bool,
    /// The compression that its request offers.
    pub(crate) offer: Option<&'static str>,
    /// There once the client knows that compression was agreed on.
    pub(crate) deflater: Option<ClientDeflater>,
}

impl ClientOutput {
    /// The request to open client `number`.
    pub(crate) fn request(&mut self, number: usize) {
        let start = self.pending.len();
        let host = "simulated";
        let (target, offer) = (format!("/{number}"), self.offer.unwrap_or(""));
        crate::ws::client::request_with_extensions(&mut self.pending, host, &target, KEY, "", offer);
        self.note(start, ItemKind::Request(101));
    }

    /// A request that deserves an error.
    pub(crate) fn bad_request(&mut self, number: usize, choices: &Choices) {
        let start = self.pending.len();
        let status = hostile::request(&mut self.pending, number, choices);
        self.note(start, ItemKind::Request(status));
        self.is_finished = true;
    }

    /// From now on messages may be compressed.
    pub(crate) fn agree(&mut self, direction: Direction) {
        self.deflater = Some(ClientDeflater::new(direction));
    }

    /// A message in one frame, which is compressed where that was agreed on.
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

    /// A message, in up to `frames` frames with Pings between them.
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

    /// A message in two frames, with so many of the longest Pings between them. Returns how much of what is pending comes before the
    /// Pings, and how much before the second.
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

    /// Bytes behind the end of all that is heard.
    pub(crate) fn garbage(&mut self, choices: &Choices) {
        if matches!(self.script.last(), Some(said) if said.what == ItemKind::Request(101)) {
            // Half a request stays one.
            return;
        }
        let len = choices.between(1, 300);
        self.pending.extend(std::iter::repeat_with(|| choices.bits().to_be_bytes()[0]).take(len));
    }

    /// Where that begins which the server has read a part of, the whole message rather than a Ping between its frames.
    pub(crate) fn under_way(&self, read: usize) -> Option<usize> {
        let partly = self.script.iter().filter(|said| said.start < read && read < said.end);
        partly.filter(|said| !matches!(said.what, ItemKind::Request(_))).map(|said| said.start).min()
    }

    /// Where the first message begins which the server has read all of, and the application has not been given.
    pub(crate) fn undelivered(&self, read: usize) -> Option<usize> {
        let is_message = |said: &&OutputItem| matches!(said.what, ItemKind::Message(..) | ItemKind::Fault(_));
        let mut read = self.script.iter().filter(|said| said.end <= read && !said.delivered);
        read.find(is_message).map(|said| said.start)
    }

    /// Bytes made.
    pub(crate) fn produced(&self) -> usize {
        self.sent + self.pending.len()
    }

    /// Takes up to `most` bytes to be sent.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let len = self.pending.len().min(most);
        self.sent += len;
        self.pending.drain(..len).collect()
    }

    /// Whether the client has said a Close and nothing behind it.
    pub(crate) fn ends_with_close(&self) -> bool {
        self.script
            .last()
            .is_some_and(|said| matches!(said.what, ItemKind::Close(_)) && said.end == self.produced())
    }

    fn note(&mut self, start: usize, what: ItemKind) {
        let (start, end) = (self.sent + start, self.produced());
        self.script.push(OutputItem { what, start, end, delivered: false, replies: Vec::new() });
    }

    /// A payload that no other message of the client has, if it is long enough.
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
