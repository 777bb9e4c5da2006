//! A client's end of permessage-deflate: each direction is one zlib stream, as in other clients.

use std::fmt;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use crate::ws::deflate::Direction;

/// Offers of all kinds that clients make.
pub(crate) const OFFERS: [&str; 5] = [
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10",
];

/// The end of a flushed stream, which is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The least and the largest size of the output buffer for a message to a client. Few messages exceed the least, and none the largest.
const MOST: usize = 1 << 18;
const MOST_OF_HUB: usize = 1 << 20;

/// Returns the window bits for zlib, which treats a window of 8 bits as one of 9 but refers back no further than 8 allow (deflateInit2 in
/// zlib.h).
fn window_bits(direction: Direction) -> u8 {
    direction.window_bits.unwrap_or(15).max(9)
}

/// Compresses a client's messages.
pub(crate) struct ClientDeflater {
    stream: Deflate,
    takeover: bool,
}

impl ClientDeflater {
    pub(crate) fn new(direction: Direction) -> Self {
        Self { stream: Deflate::new(6, false, window_bits(direction)), takeover: direction.takeover }
    }

    /// Compresses a message and returns the payload to send.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            // A second flush without new data emits nothing (RFC 7692, section 7.2.3.6).
            return vec![0];
        }
        if !self.takeover {
            self.stream.reset();
        }
        let mut out = vec![0; payload.len() + payload.len() / 8 + 64];
        let before = self.stream.total_out();
        self.stream.compress(payload, &mut out, DeflateFlush::SyncFlush).expect("there is room for it");
        out.truncate(usize::try_from(self.stream.total_out() - before).unwrap_or(0));
        assert!(out.ends_with(&TAIL), "a flush ends with an empty block");
        out.truncate(out.len() - TAIL.len());
        out
    }
}

impl fmt::Debug for ClientDeflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDeflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}

/// Decompresses the messages to a client.
pub(crate) struct ClientInflater {
    stream: Inflate,
    takeover: bool,
}

impl ClientInflater {
    pub(crate) fn new(direction: Direction) -> Self {
        Self { stream: Inflate::new(false, window_bits(direction)), takeover: direction.takeover }
    }

    /// Decompresses the payload of a message.
    pub(crate) fn decompress(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        if !self.takeover {
            self.stream.reset(false);
        }
        // DEFLATE expands a byte to at most 1,032.
        let mut out = vec![0; (1_032 * payload.len()).clamp(MOST, MOST_OF_HUB)];
        let (taken, made) = (self.stream.total_in(), self.stream.total_out());
        let whole = [payload, &TAIL].concat();
        let outcome = self.stream.decompress(&whole, &mut out, InflateFlush::SyncFlush);
        outcome.map_err(|error| format!("a message that is not compressed as it says: {error:?}"))?;
        if self.stream.total_in() - taken != whole.len() as u64 {
            return Err("a compressed message with something behind its end".into());
        }
        out.truncate(usize::try_from(self.stream.total_out() - made).unwrap_or(0));
        Ok(out)
    }
}

impl fmt::Debug for ClientInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientInflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}
