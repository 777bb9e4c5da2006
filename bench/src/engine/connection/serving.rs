//! An open connection: what it reads, answers and keeps.

use std::os::fd::AsFd;

use throng::ws::{CloseCode, Decoder, Event, Heap, Opcode, encode};

use super::super::wire::{Unsent, Wire, read, reason};
use super::closing::Closing;
use super::extra::{Busy, Extra};
use super::{Connection, Ready, Step};

impl Connection {
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

    /// Reads a raw connection: to see its end, and what comes back.
    pub(super) fn serve_raw(&mut self, ready: Ready, wire: &mut Wire) -> Result<Step, String> {
        if ready.writable {
            self.flush()?;
        }
        while let Some(fd) = self.socket()
            && let Some(len) = read(fd, &mut wire.input).map_err(|error| reason("held", &error))?
        {
            if len == 0 {
                return Err("held: ended by the server".to_owned());
            }
            if let Some(echoes) = &mut wire.echoes {
                echoes.receive_raw(wire.index, &wire.input[..len]);
                self.send_echoes(wire)?;
            }
            if len < wire.input.len() && !ready.ended {
                break;
            }
        }
        Ok(Step::Stay)
    }

    /// Sends the messages that are due.
    pub(crate) fn send_due(&mut self, wire: &mut Wire) -> Step {
        if !self.is_open() || self.closing != Closing::Open {
            return Step::Stay;
        }
        self.send_echoes(wire).map_or_else(|reason| self.end(reason), |()| Step::Stay)
    }

    fn send_echoes(&mut self, wire: &mut Wire) -> Result<(), String> {
        wire.output.clear();
        if wire.write_echoes() { self.send_output(wire) } else { Ok(()) }
    }

    pub(super) fn serve(&mut self, ready: Ready, wire: &mut Wire) -> Result<Step, String> {
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
        let config = wire.config();
        while !matches!(self.closing, Closing::Received | Closing::Done) {
            let decoded = decoder.decode(bytes, &config, &mut Heap);
            let decoded = decoded.map_err(|error| format!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            match decoded.event {
                None => break,
                // Nothing may follow our Close frame (section 5.5.1).
                Some(Event::Ping(payload)) if self.closing == Closing::Open => {
                    let mask = wire.mask();
                    encode::frame(&mut wire.output, Opcode::Pong, payload, Some(mask));
                    answered += 1;
                }
                Some(Event::Close(frame)) => {
                    if self.closing.receive() {
                        let code = frame.code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                        closed_by_server = Some(format!("held: closed by the server with {code}"));
                    }
                }
                Some(Event::Message(message)) => {
                    wire.messages += 1;
                    if let Some(echoes) = &mut wire.echoes {
                        echoes.receive(wire.index, &message);
                    }
                    wire.receive_published(&message);
                }
                Some(Event::Compressed { opcode, payload }) => {
                    let received = wire.receive_compressed(opcode, payload);
                    received.map_err(|error| format!("the server broke the protocol: {error}"))?;
                }
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
        if self.closing == Closing::Open {
            wire.write_echoes();
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
    pub(super) fn send_output(&mut self, wire: &Wire) -> Result<(), String> {
        let mut unsent = match self.extra.as_deref_mut() {
            Some(Extra::Busy(busy)) => std::mem::take(&mut busy.unsent),
            _ => Unsent::default(),
        };
        let Some(fd) = self.socket() else { return Ok(()) };
        unsent.send(fd, &wire.output, wire.most_unsent).map_err(|error| reason("send", &error))?;
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
