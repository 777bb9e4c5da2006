//! Publishing as a WebSocket client: each message is a text frame.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use tungstenite::{Error, Message};

use crate::engine::connect_reason;
use crate::engine::target::Target;

/// How long the server may take to answer the handshake, or to take a message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for room to send.
const PAUSE: Duration = Duration::from_micros(50);

type Line = tungstenite::WebSocket<TcpStream>;

/// One connection, or one for each topic.
pub(crate) struct WebSocket(Vec<Line>);

impl WebSocket {
    /// Connects, for each of the topics where the target's path is numbered.
    pub(super) fn open(target: &Target, topics: u32) -> anyhow::Result<Self> {
        let lines = if target.is_numbered() { topics } else { 1 };
        let lines: anyhow::Result<_> = (0..lines).map(|number| connect(target, number as usize)).collect();
        let whom = || format!("cannot connect to ws://{}{} to publish", target.host, target.path);
        Ok(Self(lines.with_context(whom)?))
    }

    pub(super) fn publish(&mut self, topic: u32, messages: &[String]) -> anyhow::Result<()> {
        let line = topic as usize % self.0.len();
        send(&mut self.0[line], messages).context("cannot publish")
    }
}

fn connect(target: &Target, number: usize) -> anyhow::Result<Line> {
    let stream = TcpStream::connect_timeout(&target.address, PATIENCE);
    let stream = stream.map_err(|error| anyhow!(connect_reason(target.address, &error)))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let url = format!("ws://{}{}", target.host, target.path_of(number));
    let (line, _) = tungstenite::client(url, stream).map_err(|error| anyhow!("{error}"))?;
    line.get_ref().set_nonblocking(true)?;
    Ok(line)
}

/// Sends messages, and takes in what the server says meanwhile.
fn send(line: &mut Line, messages: &[String]) -> anyhow::Result<()> {
    let start = Instant::now();
    take_in(line)?;
    for message in messages {
        // What the kernel does not take now is kept.
        has_gone(line.write(Message::text(message.as_str())))?;
    }
    while !has_gone(line.flush())? {
        ensure!(start.elapsed() < PATIENCE, "the server does not read");
        take_in(line)?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Answers Pings. Messages are no concern of whoever publishes, though many a server sends him his own.
fn take_in(line: &mut Line) -> anyhow::Result<()> {
    loop {
        match line.read() {
            Ok(Message::Close(frame)) => {
                let code = frame.map_or_else(|| "no code".to_owned(), |frame| frame.code.to_string());
                bail!("the server closed the connection with {code}");
            }
            Ok(_) => {}
            Err(error) => return has_gone(Err(error)).map(drop),
        }
    }
}

/// `false` for what must wait for the other side.
fn has_gone(result: tungstenite::Result<()>) -> anyhow::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

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
