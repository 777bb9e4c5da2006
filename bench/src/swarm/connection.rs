//! One connection, from its first SYN to its end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use throng::sys::socket;
use throng::ws::handshake::KEY_LEN;
use throng::ws::{CloseCode, Closing, Decoder, Event, Heap, Opcode, client, encode};

use super::Timeouts;
use super::wire::{Unsent, Wire, reason, timeout_reason};
use crate::target::Target;

/// The longest response head that is taken, in bytes.
const MAX_RESPONSE: usize = 16 * 1024;

/// All that is kept of a connection. What an idle one lacks is behind one pointer.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Option<OwnedFd>,
    pub(crate) pings: u16,
    state: State,
    closing: Closing,
    extra: Option<Box<Extra>>,
}

const _: () = assert!(size_of::<Connection>() <= 24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Connecting,
    Handshaking,
    Open,
    /// The socket is closed.
    Gone,
}

#[derive(Debug)]
enum Extra {
    Opening(Opening),
    Busy(Busy),
}

/// A connection that has not opened.
#[derive(Debug)]
struct Opening {
    planned: Instant,
    key: [u8; KEY_LEN],
    unsent: Unsent,
    response: Vec<u8>,
}

/// An open connection with something unfinished.
#[derive(Debug, Default)]
struct Busy {
    decoder: Decoder,
    unsent: Unsent,
}

/// What has become of a connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Nothing that would have to be counted.
    Stay,
    /// It has opened; its start was planned for then. [`Connection::greet`] must be called then.
    Opened(Instant),
    /// It could not be opened.
    Failed(String),
    /// It is gone though nobody here wanted it to be.
    Lost(String),
    /// It was closed in order.
    Closed,
    /// It was being closed, and something went wrong.
    Unclean(String),
}

/// What epoll says about a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    readable: bool,
    writable: bool,
    /// The end of the stream or an error is there to be read.
    ended: bool,
}

impl Ready {
    pub(crate) const fn is_writable(self) -> bool {
        self.writable
    }
}

impl From<&Readiness> for Ready {
    fn from(event: &Readiness) -> Self {
        let ended = event.is_read_closed() || event.is_error();
        Self { readable: event.is_readable() || ended, writable: event.is_writable() || ended, ended }
    }
}

impl Connection {
    /// A connection that is being made; the (planned) start of it counts for its latency.
    pub(crate) fn connecting(socket: OwnedFd, planned: Instant, wire: &mut Wire) -> Self {
        let key = client::encode_key(wire.nonce());
        let opening = Opening { planned, key, unsent: Unsent::default(), response: Vec::new() };
        let extra = Some(Box::new(Extra::Opening(opening)));
        Self { socket: Some(socket), pings: 0, state: State::Connecting, closing: Closing::Open, extra }
    }

    /// A connection that could not even be begun.
    pub(crate) const fn failed() -> Self {
        Self { socket: None, pings: 0, state: State::Gone, closing: Closing::Open, extra: None }
    }

    /// The state in which it waits for the server, and how long it may.
    pub(crate) fn waits(&self, timeouts: &Timeouts) -> Option<(State, Duration)> {
        match self.state {
            State::Connecting => Some((State::Connecting, timeouts.connect)),
            State::Handshaking => Some((State::Handshaking, timeouts.handshake)),
            State::Open if self.closing != Closing::Open => Some((State::Open, timeouts.close)),
            State::Open | State::Gone => None,
        }
    }

    pub(crate) const fn is_opening(&self) -> bool {
        matches!(self.state, State::Connecting | State::Handshaking)
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Goes as far as the socket allows.
    pub(crate) fn ready(&mut self, ready: Ready, target: &Target, raw: bool, wire: &mut Wire) -> Step {
        let result = match self.state {
            State::Connecting if ready.writable => self.finish_connecting(target, raw, wire),
            State::Handshaking => self.shake_hands(ready, wire),
            State::Open if raw => self.discard(wire),
            State::Open => self.serve(ready, wire),
            State::Connecting | State::Gone => Ok(Step::Stay),
        };
        result.unwrap_or_else(|reason| self.end(reason))
    }

    /// Takes in what came right behind the handshake's response, once the opening has been counted.
    pub(crate) fn greet(&mut self, ready: Ready, wire: &mut Wire) -> Step {
        let mut behind = std::mem::take(&mut wire.behind);
        let more_to_read = ready.ended || !behind.is_empty();
        let fed = self.feed(&mut behind, wire);
        wire.behind = behind;
        wire.behind.clear();
        let served = fed.and_then(|()| if more_to_read { self.serve(ready, wire) } else { Ok(Step::Stay) });
        served.unwrap_or_else(|reason| self.end(reason))
    }

    /// Sends a Close, or resets a raw connection. `Stay` is the good case of a WebSocket: the server's Close is awaited.
    pub(crate) fn close(&mut self, raw: bool, wire: &mut Wire) -> Step {
        let first = self.closing.send();
        let Some(socket) = self.socket() else { return Step::Stay };
        if raw {
            // A reset leaves no TIME_WAIT on either side.
            return match socket::reset_on_close(socket) {
                Ok(()) => self.drop_socket(Step::Closed),
                Err(error) => self.end(reason("close", &error)),
            };
        }
        if !first {
            return Step::Stay;
        }
        wire.output.clear();
        let mask = wire.mask();
        encode::close(&mut wire.output, Some(CloseCode::NORMAL), "", Some(mask));
        match self.send_output(wire) {
            Ok(()) => Step::Stay,
            Err(reason) => self.end(reason),
        }
    }

    /// Gives up waiting for the server.
    pub(crate) fn time_out(&mut self, timeouts: &Timeouts) -> Step {
        let Some((state, timeout)) = self.waits(timeouts) else { return Step::Stay };
        let doing = match state {
            State::Connecting => "connect",
            State::Handshaking => "handshake",
            State::Open | State::Gone => "close",
        };
        self.end(timeout_reason(doing, timeout))
    }

    /// Gives up a connection that still waits to be opened when all are to be closed.
    pub(crate) fn abandon(&mut self) -> Step {
        self.end("given up before it had opened".to_owned())
    }

    /// Drops the socket; what that means depends on how far the connection had come.
    fn end(&mut self, reason: String) -> Step {
        let step = match self.state {
            State::Connecting | State::Handshaking => Step::Failed(reason),
            State::Open if self.closing == Closing::Open => Step::Lost(reason),
            State::Open => Step::Unclean(reason),
            State::Gone => Step::Stay,
        };
        self.drop_socket(step)
    }

    fn drop_socket(&mut self, step: Step) -> Step {
        self.socket = None;
        self.extra = None;
        self.state = State::Gone;
        step
    }

    fn finish_connecting(&mut self, target: &Target, raw: bool, wire: &mut Wire) -> Result<Step, String> {
        let Self { socket: Some(socket), extra: Some(extra), state, .. } = self else {
            return Ok(Step::Stay);
        };
        let Extra::Opening(opening) = &mut **extra else { return Ok(Step::Stay) };
        let fd = socket.as_fd();
        let failed = |error: io::Error| reason("connect", &error);
        if raw {
            socket::take_error(fd).map_err(failed)?;
            let planned = opening.planned;
            *state = State::Open;
            self.extra = None;
            return Ok(Step::Opened(planned));
        }
        wire.output.clear();
        client::request(&mut wire.output, &target.host, &target.path, &opening.key, "");
        // A connect that failed fails this too: asking for its error first would be one more system call.
        opening.unsent.send(fd, &wire.output).map_err(failed)?;
        *state = State::Handshaking;
        Ok(Step::Stay)
    }

    fn shake_hands(&mut self, ready: Ready, wire: &mut Wire) -> Result<Step, String> {
        let Self { socket: Some(socket), extra: Some(extra), .. } = self else { return Ok(Step::Stay) };
        let Extra::Opening(opening) = &mut **extra else { return Ok(Step::Stay) };
        let fd = socket.as_fd();
        let failed = |error: &io::Error| reason("handshake", error);
        if ready.writable && !opening.unsent.is_empty() {
            opening.unsent.flush(fd).map_err(|error| failed(&error))?;
        }
        while let Some(len) = read(fd, &mut wire.input).map_err(|error| failed(&error))? {
            if len == 0 {
                return Err("handshake: the server ended the connection".to_owned());
            }
            opening.response.extend_from_slice(&wire.input[..len]);
            let checked = client::check_response(&opening.response, &opening.key);
            let Some(head) = checked.map_err(|error| format!("handshake: {error}"))? else {
                if opening.response.len() > MAX_RESPONSE {
                    return Err("handshake: the response has no end".to_owned());
                }
                continue;
            };
            let planned = opening.planned;
            wire.behind.clear();
            wire.behind.extend_from_slice(&opening.response[head..]);
            self.state = State::Open;
            self.extra = None;
            return Ok(Step::Opened(planned));
        }
        Ok(Step::Stay)
    }

    /// Reads a raw connection, only to see its end.
    fn discard(&self, wire: &mut Wire) -> Result<Step, String> {
        let Some(fd) = self.socket() else { return Ok(Step::Stay) };
        while let Some(len) = read(fd, &mut wire.input).map_err(|error| reason("held", &error))? {
            if len == 0 {
                return Err("held: ended by the server".to_owned());
            }
        }
        Ok(Step::Stay)
    }

    fn serve(&mut self, ready: Ready, wire: &mut Wire) -> Result<Step, String> {
        if ready.writable {
            self.flush()?;
        }
        if !ready.readable {
            return Ok(Step::Stay);
        }
        loop {
            let Some(fd) = self.socket() else { return Ok(Step::Stay) };
            let doing = if self.closing == Closing::Open { "held" } else { "close" };
            let Some(len) = read(fd, &mut wire.input).map_err(|error| reason(doing, &error))? else {
                return Ok(Step::Stay);
            };
            if len == 0 {
                if self.closing.is_done() {
                    return Ok(self.drop_socket(Step::Closed));
                }
                return Err(format!("{doing}: ended by the server without a Close frame"));
            }
            // What the connections share cannot be lent twice; an empty box costs nothing.
            let mut input = std::mem::take(&mut wire.input);
            let fed = self.feed(&mut input[..len], wire);
            let filled = len == input.len();
            wire.input = input;
            fed?;
            if !filled && !ready.ended {
                return Ok(Step::Stay);
            }
        }
    }

    /// Decodes what has arrived and answers it in one write.
    fn feed(&mut self, mut bytes: &mut [u8], wire: &mut Wire) -> Result<(), String> {
        let mut decoder = match self.extra.as_deref_mut() {
            Some(Extra::Busy(busy)) => std::mem::take(&mut busy.decoder),
            _ => Decoder::default(),
        };
        wire.output.clear();
        let mut answered: u16 = 0;
        let mut closed_by_server = None;
        let rules = wire.rules;
        while !matches!(self.closing, Closing::Received | Closing::Done) {
            let decoded = decoder.decode(bytes, &rules, &mut Heap);
            let decoded = decoded.map_err(|error| format!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            match decoded.event {
                None => break,
                // Nothing may follow our Close frame (section 5.5.1).
                Some(Event::Ping(payload)) if self.closing == Closing::Open => {
                    let mask = wire.mask();
                    encode::frame(&mut wire.output, true, Opcode::Pong, payload, Some(mask));
                    answered += 1;
                }
                Some(Event::Close(frame)) => {
                    if self.closing.receive() {
                        let code = frame.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                        closed_by_server = Some(format!("held: closed by the server with {code}"));
                    }
                }
                Some(Event::Message(_)) => wire.messages += 1,
                Some(Event::Ping(_) | Event::Pong(_)) => {}
            }
            bytes = &mut bytes[consumed..];
        }
        if let Some(reason) = closed_by_server {
            return self.answer_close(reason, wire);
        }
        if !decoder.is_idle() {
            self.keep(|busy| busy.decoder = decoder);
        }
        if !wire.output.is_empty() {
            self.send_output(wire)?;
            wire.answered += answered;
        }
        self.forget_if_idle();
        Ok(())
    }

    /// The server closes: it gets its answer, and the connection is lost whether that arrives or not.
    fn answer_close(&mut self, reason: String, wire: &mut Wire) -> Result<(), String> {
        let mask = wire.mask();
        encode::close(&mut wire.output, Some(CloseCode::NORMAL), "", Some(mask));
        let _ = self.send_output(wire);
        // As seen from here it was open until now.
        self.closing = Closing::Open;
        Err(reason)
    }

    /// Sends what has been put into the wire's output, and keeps what the kernel does not take.
    pub(crate) fn send_output(&mut self, wire: &Wire) -> Result<(), String> {
        let mut unsent = match self.extra.as_deref_mut() {
            Some(Extra::Busy(busy)) => std::mem::take(&mut busy.unsent),
            _ => Unsent::default(),
        };
        let Some(fd) = self.socket() else { return Ok(()) };
        unsent.send(fd, &wire.output).map_err(|error| reason("send", &error))?;
        if !unsent.is_empty() {
            self.keep(|busy| busy.unsent = unsent);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        let Self { socket: Some(socket), extra: Some(extra), .. } = self else { return Ok(()) };
        let Extra::Busy(busy) = &mut **extra else { return Ok(()) };
        busy.unsent.flush(socket.as_fd()).map_err(|error| reason("send", &error))?;
        self.forget_if_idle();
        Ok(())
    }

    /// Keeps something unfinished.
    fn keep(&mut self, change: impl FnOnce(&mut Busy)) {
        let mut busy = match self.extra.take().map(|extra| *extra) {
            Some(Extra::Busy(busy)) => busy,
            Some(Extra::Opening(_)) | None => Busy::default(),
        };
        change(&mut busy);
        self.extra = Some(Box::new(Extra::Busy(busy)));
    }

    fn forget_if_idle(&mut self) {
        if let Some(Extra::Busy(busy)) = self.extra.as_deref()
            && busy.unsent.is_empty()
            && busy.decoder.is_idle()
        {
            self.extra = None;
        }
    }
}

/// Begins to connect, and has the socket's events come with a token. An error comes with what failed.
pub(crate) fn dial(
    registry: &Registry,
    token: Token,
    from: Option<SocketAddr>,
    to: SocketAddr,
) -> Result<OwnedFd, (&'static str, io::Error)> {
    let fd = socket::connect_tcp(from, to).map_err(|error| ("connect", error))?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    // Registered after connect(2) has begun: before it, epoll would report the end of an unconnected socket.
    let registered = registry.register(&mut SourceFd(&fd.as_raw_fd()), token, interest);
    registered.map_err(|error| ("register", error))?;
    Ok(fd)
}

/// Reads what is there: `None` when nothing is, 0 bytes at the end of the stream.
fn read(fd: BorrowedFd<'_>, input: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket::recv(fd, input) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
