//! A connection's opening: TCP, and the client's side of the handshake.

use std::io;
use std::os::fd::AsFd;

use throng::sys::socket;
use throng::ws::client;

use super::super::target::Target;
use super::super::visits::part_of;
use super::super::wire::{Wire, read, reason};
use super::extra::Extra;
use super::{Connection, Ready, State, Step};

/// The longest response head that is taken, in bytes.
const MAX_RESPONSE: usize = 16 * 1024;

impl Connection {
    pub(super) fn finish_connecting(
        &mut self,
        target: &Target,
        raw: bool,
        wire: &mut Wire,
    ) -> Result<Step, String> {
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
        let offer = wire.codec.as_ref().map_or("", |codec| codec.compression.words());
        let path = target.path_of(wire.number);
        client::request_with_extensions(&mut wire.output, &target.host, &path, &opening.key, "", offer);
        // A connect that failed fails this too: asking for its error first would be one more system call.
        opening.unsent.send(fd, &wire.output, wire.most_unsent).map_err(failed)?;
        *state = State::Handshaking;
        Ok(Step::Stay)
    }

    /// Sends a share of the request, from 0 to 1 but never all of it.
    pub(crate) fn break_off(&mut self, target: &Target, share: f64, wire: &mut Wire) -> Step {
        let Some(fd) = self.socket() else { return Step::Stay };
        wire.output.clear();
        client::request(&mut wire.output, &target.host, &target.path, &client::encode_key([0; 16]), "");
        let part = &wire.output[..part_of(share, wire.output.len())];
        // A new connection takes so few bytes at once.
        let sent = socket::take_error(fd)
            .map_err(|error| reason("connect", &error))
            .and_then(|()| socket::send(fd, part).map_err(|error| reason("handshake", &error)));
        sent.map_or_else(|reason| self.end(reason), |_| Step::Stay)
    }

    pub(super) fn shake_hands(&mut self, ready: Ready, wire: &mut Wire) -> Result<Step, String> {
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
            let offer = wire.codec.as_ref().map(|codec| codec.compression.offer());
            let checked = client::check_response_to_offer(&opening.response, &opening.key, offer);
            let Some(accepted) = checked.map_err(|error| format!("handshake: {error}"))? else {
                if opening.response.len() > MAX_RESPONSE {
                    return Err("handshake: the response has no end".to_owned());
                }
                continue;
            };
            let planned = opening.planned;
            wire.behind.clear();
            wire.behind.extend_from_slice(&opening.response[accepted.len..]);
            if let Some(codec) = &mut wire.codec {
                codec.agree(wire.index, accepted.compression);
            }
            self.state = State::Open;
            self.extra = None;
            return Ok(Step::Opened(planned));
        }
        Ok(Step::Stay)
    }
}
