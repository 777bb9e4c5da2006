//! Clients with permessage-deflate, by hand: the offer, the bit, and messages that stand alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use throng::ws::deflate::{Deflater, Inflater};
use throng::ws::{Decoder, DecoderConfig, Event, Heap, Opcode, Role, encode};

use super::client::dial;

/// What Chromium offers.
pub(crate) const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// Opens a WebSocket with an offer; the connection and what the server accepts of it.
pub(crate) fn open(address: SocketAddr, offer: &str) -> (TcpStream, Option<String>) {
    let mut stream = dial(address);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let agreed = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    (stream, agreed.map(str::to_owned))
}

/// The frame of a compressed message.
pub(crate) fn message(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode::compressed_frame(
        &mut frame,
        opcode,
        Deflater::new(9).compress(payload, 8, &[]),
        Some([1, 2, 3, 4]),
    );
    frame
}

/// The next message or close code.
pub(crate) fn next(stream: &mut TcpStream) -> Result<(Vec<u8>, bool), u16> {
    let config = DecoderConfig { role: Role::Client, max_message: 1 << 26, max_frames: 1, deflate: true };
    let (mut decoder, mut byte) = (Decoder::default(), [0; 1]);
    loop {
        // A byte at a time, so that nothing of the next message is taken.
        stream.read_exact(&mut byte).unwrap();
        match decoder.decode(&mut byte, &config, &mut Heap).unwrap().event {
            None => {}
            Some(Event::Message(message)) => return Ok((message.as_bytes().to_vec(), false)),
            Some(Event::Compressed { payload, .. }) => {
                return Ok((Inflater::new().decompress(payload, 1 << 26, &[]).unwrap().to_vec(), true));
            }
            Some(Event::Close(frame)) => return Err(frame.code.map_or(1005, throng::CloseCode::get)),
            Some(Event::Ping(_) | Event::Pong(_)) => panic!("nobody pings"),
        }
    }
}
