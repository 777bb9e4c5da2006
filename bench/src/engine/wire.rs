//! What the connections of a thread share: buffers, the decoder configuration and random numbers. None of them has any of its own while it is idle.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use throng::sys::socket;
use throng::ws::{DecoderConfig, Message, Opcode, ProtocolError, Role};

use super::compression::{Codec, MAX_MESSAGE};
use super::echo::Echoes;
use super::feed::Receipts;

/// Bytes read from a socket at once.
const INPUT: usize = 64 * 1024;

/// Bytes a server may leave unread of what answers it.
const MOST_UNSENT: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    /// Where every read goes.
    pub(crate) input: Box<[u8]>,
    /// What one connection is about to send.
    pub(crate) output: Vec<u8>,
    /// What came in one piece with a handshake's response: the first frames.
    pub(crate) behind: Vec<u8>,
    pub(crate) config: DecoderConfig,
    pub(crate) rng: fastrand::Rng,
    /// Every handshake sends the key of RFC 6455, section 1.3.
    pub(crate) sample_key: bool,
    /// Pings the connection at hand has answered.
    pub(crate) answered: u16,
    /// Messages received.
    pub(crate) messages: u64,
    /// The index of the connection at hand among the thread's.
    pub(crate) index: usize,
    /// What stands for `{n}` in the path of the connection at hand.
    pub(crate) number: usize,
    /// Messages that are to come back, while that is measured.
    pub(crate) echoes: Option<Box<Echoes>>,
    /// What subscribers receive.
    pub(crate) receipts: Option<Box<Receipts>>,
    /// Where compression is offered.
    pub(crate) codec: Option<Box<Codec>>,
    /// Bytes a server may leave unread before the connection is given up.
    pub(crate) most_unsent: usize,
}

impl Wire {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            input: vec![0; INPUT].into_boxed_slice(),
            output: Vec::new(),
            behind: Vec::new(),
            config: DecoderConfig {
                role: Role::Client,
                max_message: MAX_MESSAGE,
                max_frames: u32::MAX,
                deflate: false,
            },
            rng: fastrand::Rng::with_seed(seed),
            sample_key: false,
            answered: 0,
            messages: 0,
            index: 0,
            number: 0,
            echoes: None,
            receipts: None,
            codec: None,
            most_unsent: MOST_UNSENT,
        }
    }

    /// What the key of a handshake is made of: fresh for each one (RFC 6455, section 4.1), but for servers with one answer.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = *b"the sample nonce";
        if !self.sample_key {
            self.rng.fill(&mut nonce);
        }
        nonce
    }

    /// Begins to measure what comes back.
    pub(crate) fn start_echoes(&mut self, echoes: Echoes) {
        self.most_unsent = MOST_UNSENT + echoes.most_on_their_way();
        self.echoes = Some(Box::new(echoes));
    }

    /// Appends the messages that the connection at hand may send now. `false` when there is none.
    pub(crate) fn write_echoes(&mut self) -> bool {
        let before = self.output.len();
        if let Some(echoes) = &mut self.echoes {
            echoes.write(self.index, self.codec.as_deref_mut(), &mut self.output);
        }
        self.output.len() > before
    }

    /// What the connection at hand must keep to.
    pub(crate) fn config(&self) -> DecoderConfig {
        let deflate = self.codec.as_ref().is_some_and(|codec| codec.is_agreed(self.index));
        DecoderConfig { deflate, ..self.config }
    }

    /// Takes in a compressed message for the connection at hand.
    pub(crate) fn receive_compressed(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), ProtocolError> {
        let Some(codec) = &mut self.codec else { return Err(ProtocolError::InvalidCompression) };
        let message = codec.read(self.index, opcode, payload)?;
        self.messages += 1;
        if let Some(echoes) = &mut self.echoes {
            echoes.receive_compressed(self.index, &message);
        }
        if let Some(receipts) = &mut self.receipts {
            receipts.receive(self.index, &message);
        }
        Ok(())
    }

    /// Takes in a message that was published, if the connection at hand is a subscriber.
    pub(crate) fn receive_published(&mut self, message: &Message) {
        if let Some(receipts) = &mut self.receipts {
            receipts.receive(self.index, message);
        }
    }

    /// A masking key: fresh for each frame (RFC 6455, section 5.3). Unpredictable it need not be here: the peer of a load
    /// generator attacks nobody.
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        self.rng.u32(..).to_ne_bytes()
    }
}

/// Bytes the kernel would not take yet.
#[derive(Debug, Default)]
pub(crate) struct Unsent(VecDeque<u8>);

impl Unsent {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends `bytes` behind what is already waiting, and keeps what the kernel does not take: `most` bytes, no more.
    pub(crate) fn send(&mut self, fd: BorrowedFd<'_>, bytes: &[u8], most: usize) -> io::Result<()> {
        let sent = if self.0.is_empty() { send_some(fd, bytes)? } else { 0 };
        if self.0.len() + bytes.len() - sent > most {
            return Err(io::Error::other("the server does not read"));
        }
        self.0.extend(&bytes[sent..]);
        Ok(())
    }

    /// Sends what is waiting, as far as the kernel takes it.
    pub(crate) fn flush(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let sent = send_some(fd, self.0.make_contiguous())?;
        self.0.drain(..sent);
        Ok(())
    }
}

/// Sends what the kernel takes; 0 when it takes nothing now.
fn send_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket::send(fd, &bytes[sent..]) {
            Ok(taken) => sent += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// Reads what is there: `None` when nothing is, 0 bytes at the end of the stream.
pub(crate) fn read(fd: BorrowedFd<'_>, input: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket::recv(fd, input) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The reason for a failure as reports count it: without numbers that would make each its own reason.
pub(crate) fn reason(doing: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused: nobody listens there".to_owned(),
        io::ErrorKind::ConnectionReset => "reset by the server".to_owned(),
        io::ErrorKind::BrokenPipe => "ended by the server".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no source port left: use more --sources or --to".to_owned(),
        io::ErrorKind::TimedOut => "timed out in the kernel".to_owned(),
        _ => error.to_string(),
    };
    format!("{doing}: {what}")
}

/// Why no connection to an address could be made.
pub(crate) fn connect_reason(to: SocketAddr, error: &io::Error) -> String {
    at(&reason("connect", error), to)
}

/// A reason why a connection did not open, with the address that it was to.
pub(crate) fn at(reason: &str, to: SocketAddr) -> String {
    format!("{reason} ({to})")
}

pub(crate) fn timeout_reason(doing: &str, timeout: Duration) -> String {
    format!("{doing}: nothing within {}", humantime::format_duration(timeout))
}
