//! A parser of the server's stream that is independent of the parser under test.
//!
//! The parser is strict: the server must send complete, unmasked frames in their shortest form, and only Pongs after a Close.

use super::deflate::ClientInflater;
use super::output::KEY;
use crate::ws::Opcode;
use crate::ws::client::{Accepted, ResponseError, check_response_to_offer};
use crate::ws::deflate::{Agreement, Offer};

/// An item that the server has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// The status of the response, and the agreed compression.
    Response(u16, Option<Agreement>),
    Message(Opcode, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ParserState {
    #[default]
    Head,
    Frames,
    /// The state after a Close: the server answers Pings until the peer's Close arrives (section 5.5.2), and sends nothing else.
    Closing,
    /// The state after an error response.
    End,
}

/// The parser of one connection's stream.
#[derive(Debug, Default)]
pub(crate) struct StreamParser {
    state: ParserState,
    /// The client's offer of compression.
    pub(crate) offer: Option<Offer>,
    /// The decompressor; `Some` if compression was agreed on.
    inflater: Option<ClientInflater>,
    /// The bytes of an incomplete frame.
    rest: Vec<u8>,
    /// The number of bytes parsed.
    pub(crate) parsed: usize,
}

impl StreamParser {
    /// Returns whether the stream may end here: between frames or after a response.
    pub(crate) fn is_between(&self) -> bool {
        self.rest.is_empty()
    }

    /// Parses the bytes and returns the complete items, each with the offset of its end.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(usize, Received)>, String> {
        self.rest.extend_from_slice(bytes);
        let mut all = Vec::new();
        let mut at = 0;
        while let Some((len, is_compressed, mut received)) = self.next(&self.rest[at..])? {
            at += len;
            if is_compressed {
                received = self.decompress(received)?;
            }
            self.parsed += len;
            self.state = match received {
                Received::Response(101, agreement) => {
                    self.inflater = agreement.map(|agreement| ClientInflater::new(agreement.server));
                    ParserState::Frames
                }
                Received::Response(..) => ParserState::End,
                Received::Close(..) => ParserState::Closing,
                _ => self.state,
            };
            all.push((self.parsed, received));
        }
        self.rest.drain(..at);
        Ok(all)
    }

    /// Decompresses a message.
    fn decompress(&mut self, received: Received) -> Result<Received, String> {
        let Received::Message(opcode, payload) = received else {
            return Err("a compressed control frame".into());
        };
        let inflater = self.inflater.as_mut().ok_or("a compressed message, which was not agreed on")?;
        let message = inflater.decompress(&payload)?;
        match opcode {
            _ if message.len() <= payload.len() => {
                Err("a message that compression has not made smaller".into())
            }
            Opcode::Text if str::from_utf8(&message).is_err() => Err("a text that is no UTF-8".into()),
            _ => Ok(Received::Message(opcode, message)),
        }
    }

    /// Parses the next item; returns its length, whether it is compressed, and the item.
    fn next(&self, bytes: &[u8]) -> Result<Option<(usize, bool, Received)>, String> {
        match self.state {
            _ if bytes.is_empty() => Ok(None),
            ParserState::Head => response(bytes, self.offer.as_ref()),
            ParserState::Frames => frame(bytes),
            ParserState::Closing if bytes[0] == 0x8a => frame(bytes),
            ParserState::Closing => Err(format!("{} bytes behind a Close that are no Pong", bytes.len())),
            ParserState::End => Err(format!("{} bytes behind the end of all", bytes.len())),
        }
    }
}

fn response(bytes: &[u8], offer: Option<&Offer>) -> Result<Option<(usize, bool, Received)>, String> {
    match check_response_to_offer(bytes, KEY, offer) {
        Ok(None) => Ok(None),
        Ok(Some(Accepted { len, compression })) => {
            Ok(Some((len, false, Received::Response(101, compression))))
        }
        Err(ResponseError::Status(status)) => {
            let text = String::from_utf8_lossy(bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
            let len = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
            let len: usize = len.and_then(|len| len.parse().ok()).ok_or("a response without a length")?;
            Ok((body.len() >= len).then_some((head.len() + 4 + len, false, Received::Response(status, None))))
        }
        Err(error) => Err(format!("{error}: {}", bytes.escape_ascii())),
    }
}

fn frame(bytes: &[u8]) -> Result<Option<(usize, bool, Received)>, String> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let opcode = match first {
        0x81 | 0xc1 => Opcode::Text,
        0x82 | 0xc2 => Opcode::Binary,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => return Err(format!("a frame that begins with {first:#x}")),
    };
    let (header, len) = match second {
        0..=125 => (2, u64::from(second)),
        126 if bytes.len() >= 4 => (4, u64::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 if bytes.len() >= 10 => (10, (2..10).fold(0, |len, at| len << 8 | u64::from(bytes[at]))),
        126 | 127 => return Ok(None),
        _ => return Err("a masked frame".into()),
    };
    let shortest = match header {
        2 => true,
        4 => len > 125,
        _ => len > 0xffff,
    };
    if !shortest || (opcode.is_control() && header > 2) {
        return Err(format!("a length of {len} in a header of {header} bytes"));
    }
    let end = header + usize::try_from(len).map_err(|_| "a length beyond memory")?;
    let Some(payload) = bytes.get(header..end) else { return Ok(None) };
    let payload = payload.to_vec();
    let is_compressed = first & 0x40 != 0;
    let received = match opcode {
        Opcode::Ping => Received::Ping(payload),
        Opcode::Pong => Received::Pong(payload),
        Opcode::Close => close(&payload)?,
        Opcode::Text if !is_compressed && std::str::from_utf8(&payload).is_err() => {
            return Err("a text that is no UTF-8".into());
        }
        _ => Received::Message(opcode, payload),
    };
    Ok(Some((end, is_compressed, received)))
}

fn close(body: &[u8]) -> Result<Received, String> {
    match body {
        [] => Ok(Received::Close(None, String::new())),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(format!("a Close with the code {code}, which must not travel"));
            }
            let reason = String::from_utf8(reason.into()).map_err(|_| "a reason that is no UTF-8")?;
            Ok(Received::Close(Some(code), reason))
        }
        _ => Err("a Close with a body of one byte".into()),
    }
}
