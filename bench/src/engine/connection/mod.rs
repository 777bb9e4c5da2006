//! One connection, from its first SYN to its end.

mod closing;
mod extra;
mod opening;
mod serving;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::event::Event as Readiness;
use throng::sys::socket;
use throng::ws::{CloseCode, client, encode};

use super::plan::Timeouts;
use super::target::Target;
use super::wire::{Unsent, Wire, reason, timeout_reason};
use closing::Closing;
use extra::{Extra, Opening};

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
    /// Anything may be there: all of it is looked at.
    pub(crate) const ANYTHING: Self = Self { readable: true, writable: true, ended: true };

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

    pub(crate) const fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting)
    }

    /// Whether it is open, and is not being closed.
    pub(crate) fn stays(&self) -> bool {
        self.is_open() && self.closing == Closing::Open
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
            State::Open if raw => self.serve_raw(ready, wire),
            State::Open => self.serve(ready, wire),
            State::Connecting | State::Gone => Ok(Step::Stay),
        };
        result.unwrap_or_else(|reason| self.end(reason))
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
        self.say(wire)
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

    /// Gives up a connection that still waits to be opened when all are to be closed, and says so.
    pub(crate) fn abandon(&mut self) -> &'static str {
        self.drop_socket(Step::Stay);
        "given up before it had opened"
    }

    /// Drops the socket, with a reset or the end of the stream. Whether the connection was open.
    pub(crate) fn hang_up(&mut self, with_reset: bool) -> bool {
        if with_reset && let Some(fd) = self.socket() {
            // It can only fail for what is no socket.
            let _ = socket::reset_on_close(fd);
        }
        let was_open = self.is_open();
        self.drop_socket(Step::Stay);
        was_open
    }

    /// Sends what has been put into the wire's output.
    pub(crate) fn say(&mut self, wire: &Wire) -> Step {
        self.send_output(wire).map_or_else(|reason| self.end(reason), |()| Step::Stay)
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
}
