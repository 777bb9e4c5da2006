//! The server's stream, taken apart by a parser of its own: the only place where what servers send is read.
//!
//! It is strict: a server of ours sends whole, unmasked frames in their shortest form, and but Pongs nothing behind a Close.

use super::deflating::Expander;
use super::speech::KEY;
use crate::ws::Opcode;
use crate::ws::client::{Accepted, ResponseError, check_response_to};
use crate::ws::deflate::{Agreement, Offer};

/// What a server has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The status of its response, and what was agreed on about compression.
    Response(u16, Option<Agreement>),
    Message(Opcode, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Head,
    Frames,
    /// Behind a Close: Pings are answered until the peer's comes (section 5.5.2), and nothing else is sent.
    Closing,
    /// Behind an error response.
    End,
}

/// A listener to one connection.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    stage: Stage,
    /// What the client has offered.
    pub(crate) offer: Option<Offer>,
    /// There where compression was agreed on.
    expander: Option<Expander>,
    /// Bytes that are no whole frame yet.
    rest: Vec<u8>,
    /// Bytes of all that was heard.
    pub(crate) heard: usize,
}

impl Tap {
    /// Whether the stream may end here: between frames, behind a response.
    pub(crate) fn is_between(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes bytes in and returns what is whole, each with the offset of its end.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(usize, Heard)>, String> {
        self.rest.extend_from_slice(bytes);
        let mut all = Vec::new();
        let mut at = 0;
        while let Some((len, is_compressed, mut heard)) = self.next(&self.rest[at..])? {
            at += len;
            if is_compressed {
                heard = self.expand(heard)?;
            }
            self.heard += len;
            self.stage = match heard {
                Heard::Response(101, agreement) => {
                    self.expander = agreement.map(|agreement| Expander::new(agreement.server));
                    Stage::Frames
                }
                Heard::Response(..) => Stage::End,
                Heard::Close(..) => Stage::Closing,
                _ => self.stage,
            };
            all.push((self.heard, heard));
        }
        self.rest.drain(..at);
        Ok(all)
    }

    /// A message as it was before it was compressed.
    fn expand(&mut self, heard: Heard) -> Result<Heard, String> {
        let Heard::Message(opcode, payload) = heard else { return Err("a compressed control frame".into()) };
        let expander = self.expander.as_mut().ok_or("a compressed message, which was not agreed on")?;
        let message = expander.expand(&payload)?;
        match opcode {
            _ if message.len() <= payload.len() => {
                Err("a message that compression has not made smaller".into())
            }
            Opcode::Text if str::from_utf8(&message).is_err() => Err("a text that is no UTF-8".into()),
            _ => Ok(Heard::Message(opcode, message)),
        }
    }

    /// The next thing heard, with its length and whether it is compressed.
    fn next(&self, bytes: &[u8]) -> Result<Option<(usize, bool, Heard)>, String> {
        match self.stage {
            _ if bytes.is_empty() => Ok(None),
            Stage::Head => response(bytes, self.offer.as_ref()),
            Stage::Frames => frame(bytes),
            Stage::Closing if bytes[0] == 0x8a => frame(bytes),
            Stage::Closing => Err(format!("{} bytes behind a Close that are no Pong", bytes.len())),
            Stage::End => Err(format!("{} bytes behind the end of all", bytes.len())),
        }
    }
}

fn response(bytes: &[u8], offer: Option<&Offer>) -> Result<Option<(usize, bool, Heard)>, String> {
    match check_response_to(bytes, KEY, offer) {
        Ok(None) => Ok(None),
        Ok(Some(Accepted { len, compression })) => Ok(Some((len, false, Heard::Response(101, compression)))),
        Err(ResponseError::Status(status)) => {
            let text = String::from_utf8_lossy(bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
            let len = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
            let len: usize = len.and_then(|len| len.parse().ok()).ok_or("a response without a length")?;
            Ok((body.len() >= len).then_some((head.len() + 4 + len, false, Heard::Response(status, None))))
        }
        Err(error) => Err(format!("{error}: {}", bytes.escape_ascii())),
    }
}

fn frame(bytes: &[u8]) -> Result<Option<(usize, bool, Heard)>, String> {
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
    let heard = match opcode {
        Opcode::Ping => Heard::Ping(payload),
        Opcode::Pong => Heard::Pong(payload),
        Opcode::Close => close(&payload)?,
        Opcode::Text if !is_compressed && std::str::from_utf8(&payload).is_err() => {
            return Err("a text that is no UTF-8".into());
        }
        _ => Heard::Message(opcode, payload),
    };
    Ok(Some((end, is_compressed, heard)))
}

fn close(body: &[u8]) -> Result<Heard, String> {
    match body {
        [] => Ok(Heard::Close(None, String::new())),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(format!("a Close with the code {code}, which must not travel"));
            }
            let reason = String::from_utf8(reason.into()).map_err(|_| "a reason that is no UTF-8")?;
            Ok(Heard::Close(Some(code), reason))
        }
        _ => Err("a Close with a body of one byte".into()),
    }
}
