//! What is kept of a connection while there is more than its record holds.

use super::final_read::FinalReads;
use super::message_clock::MessageClock;
use super::outbox::Outbox;
use super::progress::{LatePong, OutputProgress};
use crate::base::pool::Pool;
use crate::ws::deflate::Windows;
use crate::ws::{Buffers, Decoder};

/// The handle of a side record, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SideId(u32);

impl SideId {
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn new(index: usize) -> Self {
        // There are at most as many side records as connections, 2^26.
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) const fn index(self) -> Option<usize> {
        if self.0 == u32::MAX { None } else { Some(self.0 as usize) }
    }
}

/// Input that waits: what is in the buffer from there on. Without any there is no buffer.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: u32,
}

impl Unread {
    /// Bytes that wait.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.at as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message that has begun to arrive.
#[derive(Debug, Default)]
pub(crate) struct IncompleteMessage {
    /// What has arrived of it.
    pub(crate) decoder: Decoder,
    /// Whether the decoder is in use outside of the side record, which then stays, empty or not.
    decoder_is_lent: bool,
    /// The tick at which it began to arrive.
    pub(crate) begun: u32,
    /// When all of it must have arrived.
    pub(crate) clock: MessageClock,
}

/// What an idle connection does not have. It goes as soon as it is empty.
#[derive(Debug)]
pub(crate) struct Side {
    /// The index of its connection.
    owner: u32,
    /// Deadlines that have passed over input which is not read yet.
    pub(crate) final_reads: FinalReads,
    /// The request head so far, or all of it while a decision on it is awaited.
    pub(crate) head: Vec<u8>,
    /// The message that has begun to arrive.
    pub(crate) message: IncompleteMessage,
    /// Bytes that were read and wait for the next visit, because those before them took up this one.
    pub(crate) unread: Unread,
    /// What later compressed messages may refer to.
    pub(crate) contexts: Option<Box<Windows>>,
    /// Output that waits for the kernel or for the end of the iteration.
    pub(crate) outbox: Outbox,
    /// The tick at which the kernel last took some of it.
    pub(crate) taken_at: u32,
    /// There while a Pong has more time than usual.
    pub(crate) late_pong: Option<Box<LatePong>>,
    /// There while the time to close depends on what the peer takes.
    pub(crate) late_close: Option<Box<OutputProgress>>,
}

impl Side {
    pub(crate) fn new(owner: u32) -> Self {
        Self {
            owner,
            final_reads: FinalReads::default(),
            head: Vec::new(),
            message: IncompleteMessage::default(),
            unread: Unread::default(),
            contexts: None,
            outbox: Outbox::default(),
            taken_at: 0,
            late_pong: None,
            late_close: None,
        }
    }

    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }

    /// Takes the decoder out. Until it [comes back](Self::give_back) the record is not empty.
    pub(crate) fn lend_decoder(&mut self) -> Decoder {
        debug_assert!(!self.message.decoder_is_lent, "the decoder is out");
        self.message.decoder_is_lent = true;
        std::mem::take(&mut self.message.decoder)
    }

    /// Puts the decoder back, or another that has nothing to keep in its place.
    pub(crate) fn give_back(&mut self, decoder: Decoder) {
        self.message.decoder_is_lent = false;
        self.message.decoder = decoder;
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.message.decoder_is_lent
            && !self.final_reads.are_pending()
            && self.head.is_empty()
            && self.message.decoder.is_idle()
            && self.unread.is_empty()
            && self.contexts.is_none()
            && self.outbox.is_empty()
            && self.late_pong.is_none()
            && self.late_close.is_none()
    }

    /// Forgets input that waits.
    pub(crate) fn drop_unread(&mut self, pool: &mut Pool) {
        let Unread { bytes, .. } = std::mem::take(&mut self.unread);
        if bytes.capacity() > 0 {
            pool.recycle(bytes);
        }
    }

    /// Gives all buffers back.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        for buffer in [std::mem::take(&mut self.head), std::mem::take(&mut self.unread).bytes] {
            if buffer.capacity() > 0 {
                pool.recycle(buffer);
            }
        }
        self.message.decoder.clear(pool);
        self.outbox.clear(pool);
    }

    /// Bytes that its windows take, which are not the pool's.
    pub(crate) fn context_bytes(&self) -> usize {
        self.contexts.as_deref().map_or(0, Windows::capacity)
    }
}

const _: () = assert!(size_of::<Side>() <= 304);
