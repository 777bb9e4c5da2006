//! The side record of a connection, which exists while there is more to keep than the record holds.

use super::final_read::FinalReads;
use super::id::ConnIndex;
use super::message_deadline::MessageDeadline;
use super::outbox::Outbox;
use super::progress::{LatePong, OutputProgress};
use crate::base::pool::Pool;
use crate::ws::deflate::Windows;
use crate::ws::{Buffers, Decoder};

/// The index of a side record, or none.
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

/// Received input that no visit has handled: the buffer from the position `at` on. Without input there is no buffer.
#[derive(Debug, Default)]
pub(crate) struct UnhandledInput {
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: u32,
}

impl UnhandledInput {
    /// Returns the number of bytes that are not handled.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.at as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message of which a part has arrived.
#[derive(Debug, Default)]
pub(crate) struct IncompleteMessage {
    /// State of the incomplete frame or message.
    pub(crate) decoder: Decoder,
    /// Whether the decoder is taken out. The side record then stays, empty or not, with the other state of the connection.
    is_decoder_taken: bool,
    /// The tick at which the message began to arrive.
    pub(crate) began_at: u32,
    /// The deadline of the message.
    pub(crate) deadline: MessageDeadline,
}

/// State that an idle connection does not have. It is freed as soon as it is empty.
#[derive(Debug)]
pub(crate) struct SideRecord {
    /// The index of the connection that has this side record.
    owner: ConnIndex,
    /// Deadlines that have passed while input was not handled.
    pub(crate) final_reads: FinalReads,
    /// The request head received so far, or the whole head while a decision on it is pending.
    pub(crate) head: Vec<u8>,
    /// The message of which a part has arrived.
    pub(crate) message: IncompleteMessage,
    /// Bytes that were received and wait for the next visit, because those before them used up this one.
    pub(crate) unhandled: UnhandledInput,
    /// The LZ77 windows that later compressed messages may refer to.
    pub(crate) windows: Option<Box<Windows>>,
    /// Output that waits for the kernel or for the end of the iteration.
    pub(crate) outbox: Outbox,
    /// The tick at which the kernel last took bytes of the outbox.
    pub(crate) outbox_written_at: u32,
    /// Set while a Pong has more time than usual.
    pub(crate) late_pong: Option<Box<LatePong>>,
    /// Set while the close deadline depends on what the peer takes.
    pub(crate) late_close: Option<Box<OutputProgress>>,
}

impl SideRecord {
    pub(crate) fn new(owner: ConnIndex) -> Self {
        Self {
            owner,
            final_reads: FinalReads::default(),
            head: Vec::new(),
            message: IncompleteMessage::default(),
            unhandled: UnhandledInput::default(),
            windows: None,
            outbox: Outbox::default(),
            outbox_written_at: 0,
            late_pong: None,
            late_close: None,
        }
    }

    pub(crate) const fn owner(&self) -> ConnIndex {
        self.owner
    }

    /// Takes the decoder out. Until it is [put back](Self::put_decoder_back), the side record is not empty.
    pub(crate) fn take_decoder(&mut self) -> Decoder {
        debug_assert!(!self.message.is_decoder_taken, "the decoder is taken");
        self.message.is_decoder_taken = true;
        std::mem::take(&mut self.message.decoder)
    }

    /// Puts the decoder back, or an idle one in its place.
    pub(crate) fn put_decoder_back(&mut self, decoder: Decoder) {
        self.message.is_decoder_taken = false;
        self.message.decoder = decoder;
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.message.is_decoder_taken
            && !self.final_reads.are_pending()
            && self.head.is_empty()
            && self.message.decoder.is_idle()
            && self.unhandled.is_empty()
            && self.windows.is_none()
            && self.outbox.is_empty()
            && self.late_pong.is_none()
            && self.late_close.is_none()
    }

    /// Discards input that is not handled.
    pub(crate) fn discard_unhandled(&mut self, pool: &mut Pool) {
        let UnhandledInput { bytes, .. } = std::mem::take(&mut self.unhandled);
        if bytes.capacity() > 0 {
            pool.recycle(bytes);
        }
    }

    /// Returns all buffers to the pool.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        for buffer in [std::mem::take(&mut self.head), std::mem::take(&mut self.unhandled).bytes] {
            if buffer.capacity() > 0 {
                pool.recycle(buffer);
            }
        }
        self.message.decoder.clear(pool);
        self.outbox.clear(pool);
    }

    /// Returns the number of bytes that the connection's windows take, which are not of the pool.
    pub(crate) fn window_bytes(&self) -> usize {
        self.windows.as_deref().map_or(0, Windows::capacity)
    }
}

const _: () = assert!(size_of::<SideRecord>() <= 304);
