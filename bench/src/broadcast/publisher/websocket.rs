//! Publishing as a WebSocket client: each message is a text frame.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use throng::ws::client::{check_response, encode_key, request};
use throng::ws::{Decoder, DecoderConfig, Event, Heap, Opcode, Role, encode};

use crate::engine::connect_reason;
use crate::engine::target::Target;

/// How long the server may take to answer the handshake, or to take a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for room to send.
const PAUSE: Duration = Duration::from_micros(50);
/// Bytes read at once.
const INPUT: usize = 64 * 1024;
/// The longest message that is taken from the server, in bytes.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// Masking keys and the nonce need not be unpredictable here: who publishes attacks nobody.
const SEED: u64 = 0x7075_626c_6973_6865;

/// One connection, or one for each topic.
pub(in crate::broadcast) struct WebSocket(Vec<Line>);

/// One connection.
struct Line {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    rng: fastrand::Rng,
}

impl WebSocket {
    /// Connects, for each of the topics where the target's path is numbered.
    pub(super) fn open(target: &Target, topics: u32) -> anyhow::Result<Self> {
        let lines = if target.is_numbered() { topics } else { 1 };
        let lines = (0..lines).map(|number| Line::open(target, number as usize));
        let lines: anyhow::Result<_> = lines.collect();
        Ok(Self(
            lines.with_context(|| {
                format!("cannot connect to ws://{}{} to publish", target.host, target.path)
            })?,
        ))
    }

    pub(super) fn publish(&mut self, topic: u32, messages: &[String]) -> anyhow::Result<()> {
        let line = topic as usize % self.0.len();
        let line = &mut self.0[line];
        for message in messages {
            let mask = line.mask();
            encode::frame(&mut line.output, Opcode::Text, message.as_bytes(), Some(mask));
        }
        line.flush().context("cannot publish")
    }
}

impl Line {
    fn open(target: &Target, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&target.address, PATIENCE);
        let mut stream = stream.map_err(|error| anyhow!(connect_reason(target.address, &error)))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut rng = fastrand::Rng::with_seed(SEED.wrapping_add(number as u64));
        let mut nonce = [0; 16];
        rng.fill(&mut nonce);
        let (key, mut head) = (encode_key(nonce), Vec::new());
        request(&mut head, &target.host, &target.path_of(number), &key, "");
        stream.write_all(&head)?;
        let (mut response, mut input) = (Vec::new(), vec![0; INPUT]);
        let len = loop {
            let read = stream.read(&mut input)?;
            ensure!(read > 0, "the server ended the connection");
            response.extend_from_slice(&input[..read]);
            if let Some(len) = check_response(&response, &key)? {
                break len;
            }
        };
        stream.set_nonblocking(true)?;
        let mut line = Self { stream, decoder: Decoder::default(), input, output: Vec::new(), rng };
        line.take_in(&mut response[len..])?;
        Ok(line)
    }

    fn mask(&mut self) -> [u8; 4] {
        self.rng.u32(..).to_ne_bytes()
    }

    /// Sends what is to be sent, and takes in what the server says meanwhile.
    fn flush(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        self.read()?;
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ensure!(start.elapsed() < PATIENCE, "the server does not read");
                    self.read()?;
                    std::thread::sleep(PAUSE);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let result = loop {
            match self.stream.read(&mut input) {
                Ok(0) => break Err(anyhow::anyhow!("the server ended the connection")),
                Ok(read) => {
                    if let Err(error) = self.take_in(&mut input[..read]) {
                        break Err(error);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error.into()),
            }
        };
        self.input = input;
        result
    }

    /// Answers Pings. Messages are no concern of whoever publishes, though many a server sends him his own.
    fn take_in(&mut self, mut bytes: &mut [u8]) -> anyhow::Result<()> {
        let config = DecoderConfig {
            role: Role::Client,
            max_message: MAX_MESSAGE,
            max_frames: u32::MAX,
            deflate: false,
        };
        loop {
            let decoded = self.decoder.decode(bytes, &config, &mut Heap);
            let decoded =
                decoded.map_err(|error| anyhow::anyhow!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            match decoded.event {
                None => return Ok(()),
                Some(Event::Ping(payload)) => {
                    let mask = self.rng.u32(..).to_ne_bytes();
                    encode::frame(&mut self.output, Opcode::Pong, payload, Some(mask));
                }
                Some(Event::Close(frame)) => {
                    let code = frame.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                    bail!("the server closed the connection with {code}");
                }
                Some(_) => {}
            }
            bytes = &mut bytes[consumed..];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn messages_reach_the_server_and_its_pings_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target: Target = format!("ws://{}/t-{{n}}", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let mut got = Vec::new();
            for _ in 0..2 {
                let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
                socket.send(tungstenite::Message::Ping("are you there".into())).unwrap();
                got.push(socket);
            }
            let read = |socket: &mut tungstenite::WebSocket<TcpStream>, count| {
                let all = (0..count).map(|_| socket.read().unwrap().to_string());
                all.collect::<std::collections::BTreeSet<_>>()
            };
            (read(&mut got[0], 2), read(&mut got[1], 3))
        });
        let mut publisher = WebSocket::open(&target, 2).unwrap();
        // The Pings are there by then.
        std::thread::sleep(Duration::from_millis(100));
        publisher.publish(1, &["a".to_owned(), "b".to_owned()]).unwrap();
        publisher.publish(0, &["c".to_owned()]).unwrap();
        let (first, second) = server.join().unwrap();
        let set = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
        assert_eq!((first, second), (set(&["are you there", "c"]), set(&["are you there", "a", "b"])));
    }

    #[test]
    fn a_server_that_refuses_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target: Target = format!("ws://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        let error = format!("{:#}", WebSocket::open(&target, 1).err().unwrap());
        assert!(error.contains("publish") && error.contains("403"), "{error}");
        server.join().unwrap();
    }
}
