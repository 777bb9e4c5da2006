//! A client with permessage-deflate: each direction is one zlib stream, as in other clients.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use super::rig::{Client, Rig, request};
use crate::ws::{CloseCode, Decoder, DecoderConfig, Event, Heap, Message, Opcode, Role, encode};

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// A message that a client got, and whether it was compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReceivedMessage {
    Text(String, bool),
    Binary(Vec<u8>, bool),
    Close(u16),
}

pub(super) struct Deflating {
    pub(super) client: Client,
    /// The server's answer to the offer.
    pub(super) agreed: String,
    deflate: Deflate,
    inflate: Inflate,
    client_takeover: bool,
    server_takeover: bool,
}

impl Deflating {
    /// Opens a WebSocket with an offer, which the server must accept.
    pub(super) fn open(rig: &mut Rig, offer: &str) -> Self {
        let (client, response) = rig.open_by(&offering("/", offer));
        let agreed = agreed(&response).expect("the offer is accepted").to_owned();
        let bits = |name: &str| {
            let value = agreed.split_once(name).map(|(_, rest)| rest.split(';').next().unwrap_or(""));
            value.map_or(15, |bits| bits.parse::<u8>().unwrap())
        };
        Self {
            client,
            deflate: Deflate::new(6, false, bits("client_max_window_bits=").max(9)),
            inflate: Inflate::new(false, bits("server_max_window_bits=").max(9)),
            client_takeover: !agreed.contains("client_no_context_takeover"),
            server_takeover: !agreed.contains("server_no_context_takeover"),
            agreed,
        }
    }

    /// Returns the payload of a compressed message.
    pub(super) fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.client_takeover {
            self.deflate.reset();
        }
        let mut out = vec![0; payload.len() + payload.len() / 8 + 64];
        let before = self.deflate.total_out();
        self.deflate.compress(payload, &mut out, DeflateFlush::SyncFlush).unwrap();
        out.truncate(usize::try_from(self.deflate.total_out() - before).unwrap());
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// Returns the frame of a compressed message.
    pub(super) fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        encode::compressed_frame(&mut frame, opcode, &self.compress(payload), Some([1, 2, 3, 4]));
        frame
    }

    pub(super) fn send_text(&mut self, rig: &mut Rig, text: &str) {
        let frame = self.frame(Opcode::Text, text.as_bytes());
        rig.send(self.client, &frame);
    }

    fn decompress(&mut self, compressed: &[u8]) -> Vec<u8> {
        if !self.server_takeover {
            self.inflate.reset(false);
        }
        let mut out = vec![0; 4 << 20];
        let before = self.inflate.total_out();
        let whole = [compressed, &TAIL].concat();
        self.inflate.decompress(&whole, &mut out, InflateFlush::SyncFlush).unwrap();
        out.truncate(usize::try_from(self.inflate.total_out() - before).unwrap());
        out
    }

    /// Returns the received messages, decompressed.
    pub(super) fn receive(&mut self, rig: &mut Rig) -> Vec<ReceivedMessage> {
        let mut bytes = rig.world().client_takes(self.client);
        let rules = DecoderConfig { role: Role::Client, max_message: 1 << 24, max_frames: 1, deflate: true };
        let (mut decoder, mut at, mut received) = (Decoder::default(), 0, Vec::new());
        loop {
            let decoded = decoder.decode(&mut bytes[at..], &rules, &mut Heap).unwrap();
            at += decoded.consumed;
            received.push(match decoded.event {
                None => break,
                Some(Event::Message(Message::Text(text))) => ReceivedMessage::Text(text.into(), false),
                Some(Event::Message(Message::Binary(bytes))) => ReceivedMessage::Binary(bytes.into(), false),
                Some(Event::Compressed { opcode: Opcode::Text, payload }) => {
                    ReceivedMessage::Text(String::from_utf8(self.decompress(payload)).unwrap(), true)
                }
                Some(Event::Compressed { payload, .. }) => {
                    ReceivedMessage::Binary(self.decompress(payload), true)
                }
                Some(Event::Close(frame)) => ReceivedMessage::Close(frame.code.map_or(1005, CloseCode::get)),
                Some(Event::Ping(_) | Event::Pong(_)) => panic!("nobody pings"),
            });
        }
        assert!(decoder.is_idle(), "the output ends within a frame");
        received
    }
}

/// Returns a request with an offer of extensions.
pub(super) fn offering(path: &str, offer: &str) -> String {
    request(path).replacen("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"), 1)
}

/// Returns the extensions that a response accepts.
pub(super) fn agreed(response: &str) -> Option<&str> {
    response.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "))
}

/// Returns a text that DEFLATE reduces to a third, and that differs between numbers, with some similarity.
pub(super) fn text(number: usize, len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        text.push_str(&format!("{{\"number\":{},\"of\":\"{number}\"}},", number * 31 + text.len() * 17));
    }
    text.truncate(len);
    text
}

/// Returns bytes that are not compressible.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}
