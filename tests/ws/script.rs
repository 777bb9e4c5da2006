//! Streams of frames written by hand, apart from the crate's encoder, with what must be made of them.

use throng::ws::{DecodeError, DecoderConfig, ProtocolError, Role};

use super::replay::{Outcome, Said, config, replay};

pub(crate) const TEXT: u8 = 0x01;
pub(crate) const BINARY: u8 = 0x02;
pub(crate) const CONTINUATION: u8 = 0x00;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
pub(crate) const FIN: u8 = 0x80;

/// How a payload length is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Seven,
    Sixteen,
    SixtyFour,
}

/// A stream of frames from the peer of `role` and the expected outcome.
pub(crate) struct Script {
    name: &'static str,
    role: Role,
    bytes: Vec<u8>,
    said: Vec<Said>,
    /// The error and after how many bytes it must be there.
    error: Option<(ProtocolError, usize)>,
    /// Whether the stream ends in the middle of a message.
    open: bool,
}

impl Script {
    pub(crate) const fn new(name: &'static str, role: Role) -> Self {
        Self { name, role, bytes: Vec::new(), said: Vec::new(), error: None, open: false }
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A header with `first` as its first byte and the masking key that the role calls for, which is returned.
    fn head(&mut self, first: u8, form: Form, len: u64) -> [u8; 4] {
        let masked = self.role == Role::Server;
        let mask_bit = u8::from(masked) << 7;
        let len = len.to_be_bytes();
        self.bytes.push(first);
        match form {
            Form::Seven => self.bytes.push(mask_bit | len[7]),
            Form::Sixteen => self.bytes.extend([&[mask_bit | 126], &len[6..]].concat()),
            Form::SixtyFour => self.bytes.extend([&[mask_bit | 127], &len[..]].concat()),
        }
        if !masked {
            return [0; 4];
        }
        let key = [0xa5, 0x3c, 0xff, self.bytes.len().to_le_bytes()[0]];
        self.bytes.extend_from_slice(&key);
        key
    }

    /// A header alone that declares a payload of `len` bytes.
    pub(crate) fn header(mut self, first: u8, form: Form, len: u64) -> Self {
        self.head(first, form, len);
        self
    }

    /// A frame with `first` as its first byte.
    pub(crate) fn frame(mut self, first: u8, payload: &[u8]) -> Self {
        let form = match payload.len() {
            0..=125 => Form::Seven,
            126..=65_535 => Form::Sixteen,
            _ => Form::SixtyFour,
        };
        let key = self.head(first, form, payload.len() as u64);
        self.bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        self
    }

    pub(crate) fn says(mut self, said: Said) -> Self {
        self.said.push(said);
        self
    }

    /// The stream so far ends in the middle of a message.
    pub(crate) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The last byte so far is the one that must fail.
    pub(crate) fn fails(self, error: ProtocolError) -> Self {
        self.fails_before(0, error)
    }

    /// The byte that must fail has `behind` bytes behind it.
    pub(crate) fn fails_before(mut self, behind: usize, error: ProtocolError) -> Self {
        self.error = Some((error, self.bytes.len() - behind));
        self
    }

    /// Replays the stream whole, in two pieces with every split, in three (where it is short) and byte by byte.
    pub(crate) fn check(self) {
        let config = config(self.role);
        self.check_by(&config);
    }

    pub(crate) fn check_by(mut self, config: &DecoderConfig) {
        if self.error.is_some() {
            // Nothing that follows can hasten or heal an error.
            self.bytes.extend_from_slice(&[0x81, 0x80, 0, 0, 0, 0, 0x82]);
        }
        let len = self.bytes.len();
        self.replay([].into(), config);
        self.replay((1..len).collect(), config);
        // Of a long payload only the ends are of interest: headers are at most 14 bytes.
        let cuts: Vec<usize> = (0..=len).filter(|&cut| len < 600 || cut < 40 || cut + 40 > len).collect();
        for &cut in &cuts {
            self.replay([cut].into(), config);
        }
        if len <= 40 {
            for first in 0..=len {
                (first..=len).for_each(|second| self.replay([first, second].into(), config));
            }
        }
    }

    fn replay(&self, ends: Vec<usize>, config: &DecoderConfig) {
        let len = self.bytes.len();
        let fed = match self.error {
            None => len,
            // The piece that holds the byte must fail: not a later one, nor an earlier one.
            Some((_, at)) => ends.iter().copied().find(|&end| end >= at).unwrap_or(len),
        };
        let outcome = replay(&self.bytes, ends.iter().copied(), config);
        let expected = Outcome {
            said: self.said.clone(),
            error: self.error.map(|(error, _)| DecodeError::Protocol(error)),
            fed,
            // What a decoder keeps after an error does not matter.
            idle: if self.error.is_some() { outcome.idle } else { !self.open },
        };
        assert!(
            outcome == expected,
            "{} as {:?} in {} pieces {:.2?}:\n  {outcome:.200?}\nbut expected\n  {expected:.200?}",
            self.name,
            self.role,
            ends.len() + 1,
            &ends[..ends.len().min(2)],
        );
    }
}

/// Checks the script that `write` makes for each role.
pub(crate) fn both(name: &'static str, write: impl Fn(Script) -> Script) {
    both_by(config, name, write);
}

/// The same by other config.
pub(crate) fn both_by(
    config: fn(Role) -> DecoderConfig,
    name: &'static str,
    write: impl Fn(Script) -> Script,
) {
    for role in [Role::Server, Role::Client] {
        write(Script::new(name, role)).check_by(&config(role));
    }
}

pub(crate) fn text(text: &str) -> Said {
    Said::Text(text.into())
}

pub(crate) fn binary(bytes: &[u8]) -> Said {
    Said::Binary(bytes.into())
}

/// A text as it travels compressed.
pub(crate) fn compressed(payload: &[u8]) -> Said {
    Said::Compressed(true, payload.into())
}

pub(crate) fn compressed_binary(payload: &[u8]) -> Said {
    Said::Compressed(false, payload.into())
}

pub(crate) fn ping(payload: &[u8]) -> Said {
    Said::Ping(payload.into())
}

pub(crate) fn pong(payload: &[u8]) -> Said {
    Said::Pong(payload.into())
}
