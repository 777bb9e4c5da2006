//! What only those connections have that are not idle.

use std::time::Instant;

use throng::ws::Decoder;
use throng::ws::handshake::KEY_LEN;

use super::super::wire::Unsent;

#[derive(Debug)]
pub(super) enum Extra {
    Opening(Opening),
    Busy(Busy),
}

/// A connection that has not opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) planned: Instant,
    pub(super) key: [u8; KEY_LEN],
    pub(super) unsent: Unsent,
    pub(super) response: Vec<u8>,
}

/// An open connection with something unfinished.
#[derive(Debug, Default)]
pub(super) struct Busy {
    pub(super) decoder: Decoder,
    pub(super) unsent: Unsent,
}
