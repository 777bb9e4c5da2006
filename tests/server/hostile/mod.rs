//! Clients that break rules or promises: each is told why or dropped in time, costs a bounded amount, and hurts nobody else.
//! docs/HOSTILE.md says what each of them gets and costs.

mod bombs;
mod buffers;
mod closing;
mod connections;
mod deciding;
mod floods;
mod frames;
mod handshakes;
mod heads;
#[cfg(feature = "serve")]
mod memory;
mod methods;
mod resets;
mod response;
mod silence;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use throng::Server;

use super::client::{Client, eventually};

/// The request of RFC 6455, section 1.2.
const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// More than the server reads at a time: what it leaves unread when it closes a socket turns into a reset.
static FLOOD: [u8; 150_000] = [b'x'; 150_000];

/// The first bytes of frames.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// How the bytes of an attack arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Whole,
    ByteByByte,
    /// With a flood behind them that nobody has asked for.
    Flooded,
}

const ARRIVALS: [Arrival; 3] = [Arrival::Whole, Arrival::ByteByByte, Arrival::Flooded];

impl Arrival {
    fn send(self, stream: &mut TcpStream, bytes: &[u8]) {
        match self {
            Self::Whole => stream.write_all(bytes).unwrap(),
            Self::ByteByByte => bytes.iter().for_each(|&byte| stream.write_all(&[byte]).unwrap()),
            Self::Flooded => stream.write_all(&[bytes, &FLOOD].concat()).unwrap(),
        }
    }
}

/// A frame of a client with a payload below 64 KiB, whatever its first byte says.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let len = u16::try_from(payload.len()).unwrap();
    let mut frame = match u8::try_from(len) {
        Ok(len) if len < 126 => vec![first, 0x80 | len],
        _ => [&[first, 0xfe][..], &len.to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The header of a client's frame with a length of eight bytes, and no payload.
fn header(first: u8, len: u64) -> Vec<u8> {
    [&[first, 0xff][..], &len.to_be_bytes(), &[1, 2, 3, 4]].concat()
}

/// Reads until the server ends the connection, in order or with a reset, which must be in time.
fn read_to_the_end(mut stream: impl Read) -> Vec<u8> {
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it was not ended: {error}"),
        _ => got,
    }
}

/// Many clients, opened by several threads.
fn open_many(address: SocketAddr, count: usize) -> Vec<Client> {
    on_threads(count, || Client::open(address))
}

/// What `make` gives `count` times, made on several threads.
fn on_threads<T: Send>(count: usize, make: impl Fn() -> T + Sync) -> Vec<T> {
    const THREADS: usize = 4;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|at| {
                scope.spawn({
                    let make = &make;
                    move || (at..count).step_by(THREADS).map(|_| make()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Waits until only `others` connections are left, and nothing of those that have gone.
fn nothing_is_left(server: &Server, others: u64) {
    eventually("all are gone", || server.stats().sockets == others);
    eventually("their memory is back", || server.stats().buffered_bytes == 0);
    assert_eq!(server.stats().bugs, 0);
}
