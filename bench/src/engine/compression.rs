//! Compression at the clients' end (RFC 7692): one compressor and one decompressor for all connections of a thread.

use std::str::FromStr;

use throng::ws::deflate::{Agreement, Deflater, Inflater, Offer, OfferError, Windows};
use throng::ws::{Message, Opcode, ProtocolError, encode};

use crate::measure::reasons::Reasons;

/// The longest message that is taken, in bytes.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How hard clients compress: what zlib does when it is not told.
const LEVEL: i32 = 6;
/// The window of whom nobody has told a smaller one.
const LARGEST_WINDOW: u8 = 15;

/// What clients offer in their handshakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compression {
    /// As it is sent.
    words: String,
    offer: Offer,
}

impl Compression {
    /// What browsers offer.
    pub(crate) const COMMON: &str = "permessage-deflate; client_max_window_bits";

    /// The offer as it is sent.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// The offer as answers are held against it.
    pub(crate) const fn offer(&self) -> &Offer {
        &self.offer
    }
}

impl FromStr for Compression {
    type Err = OfferError;

    fn from_str(words: &str) -> Result<Self, OfferError> {
        Ok(Self { words: words.trim().to_owned(), offer: words.parse()? })
    }
}

/// A thread's compressor and decompressor, and what each of its connections has agreed on.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) compression: Compression,
    deflater: Deflater,
    inflater: Inflater,
    /// By the index of a connection in its thread.
    peers: Vec<Peer>,
    /// How many agreed on what since somebody asked last.
    pub(crate) agreed: Reasons,
}

#[derive(Debug, Default)]
struct Peer {
    agreement: Option<Agreement>,
    /// What messages may refer to; empty where each stands alone.
    windows: Windows,
}

impl Codec {
    pub(crate) fn new(compression: Compression) -> Self {
        Self {
            compression,
            deflater: Deflater::new(LEVEL),
            inflater: Inflater::new(),
            peers: Vec::new(),
            agreed: Reasons::default(),
        }
    }

    /// Notes what a connection has agreed on.
    pub(crate) fn agree(&mut self, index: usize, agreement: Option<Agreement>) {
        if self.peers.len() <= index {
            self.peers.resize_with(index + 1, Peer::default);
        }
        let words = agreement.map_or_else(
            || "nothing".to_owned(),
            |agreement| {
                let mut words = Vec::new();
                agreement.write(&mut words);
                String::from_utf8_lossy(&words).into_owned()
            },
        );
        self.agreed.count(words);
        self.peers[index] = Peer { agreement, windows: Windows::default() };
    }

    pub(crate) fn is_agreed(&self, index: usize) -> bool {
        self.peers.get(index).is_some_and(|peer| peer.agreement.is_some())
    }

    /// Appends a message compressed. `false`, and nothing is appended, for a connection that has not agreed to it.
    pub(crate) fn write(
        &mut self,
        index: usize,
        opcode: Opcode,
        message: &[u8],
        mask: [u8; 4],
        output: &mut Vec<u8>,
    ) -> bool {
        let Some(Peer { agreement: Some(agreement), windows }) = self.peers.get_mut(index) else {
            return false;
        };
        let bits = agreement.client.window_bits.unwrap_or(LARGEST_WINDOW);
        let compressed = self.deflater.compress(message, bits, windows.sent.bytes());
        encode::compressed_frame(output, opcode, compressed, Some(mask));
        if agreement.client.takeover {
            windows.sent.push(message, bits);
        }
        true
    }

    /// Decompresses a message.
    pub(crate) fn read(
        &mut self,
        index: usize,
        opcode: Opcode,
        compressed: &[u8],
    ) -> Result<Message<'_>, ProtocolError> {
        // The decoder lets no compressed message of others through.
        let Some(Peer { agreement: Some(agreement), windows }) = self.peers.get_mut(index) else {
            return Err(ProtocolError::InvalidCompression);
        };
        let payload = self.inflater.decompress(compressed, MAX_MESSAGE, windows.received.bytes())?;
        if agreement.server.takeover {
            windows.received.push(payload, agreement.server.window_bits.unwrap_or(LARGEST_WINDOW));
        }
        Message::new(opcode, payload)
    }
}
