//! What is kept of a connection: 32 bytes of plain data, and a side record while there is more to keep.

use std::os::fd::OwnedFd;

use super::compression::Contexts;
use super::last_look::Looks;
use super::late_pong::{LatePong, Stage};
use super::message_clock::MessageClock;
use super::outbox::Outbox;
use super::pool::Pool;
use super::wheel::Node;
use crate::ws::deflate::{Terms, Windows};
use crate::ws::{Buffers, Decoder};

/// A connection.
///
/// Without user data it takes 32 bytes, a vacant slot included: most of a million connections are idle, and an idle one has
/// nothing else.
#[derive(Debug)]
pub(crate) struct Record<S, D> {
    pub(crate) socket: S,
    /// Which of the connections that have had this slot it is; tokens and ids of another one are void.
    pub(crate) generation: u32,
    pub(crate) timer: Node,
    /// The tick at which bytes of the peer were last read.
    pub(crate) last_seen: u32,
    pub(crate) side: SideId,
    pub(crate) state: State,
    pub(crate) flags: Flags,
    /// What was agreed on about compression.
    pub(crate) terms: Terms,
    /// The application's data: there from the upgrade until the application has been told of the close.
    pub(crate) data: Option<D>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The request head is awaited. Timer: the handshake deadline.
    Handshaking,
    /// Messages pass. Timer: the next Ping, or the deadline of its Pong.
    Open,
    /// Our Close is sent or queued, the peer's awaited; nothing more may be sent. Timer: the close deadline.
    Closing,
    /// Nothing more is to be said or heard: once queued output is out, the writing half ends, and the peer's end of the
    /// stream is awaited, so that no reset overtakes our last bytes. Timer: the close deadline.
    Finishing,
}

/// Facts of a connection, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// A Ping is out and no Pong has answered it.
    pub(crate) const AWAIT_PONG: u8 = 1 << 0;
    /// The timer was armed with a Ping, to look after its Pong, rather than for the next Ping.
    pub(crate) const PONG_TIMER: u8 = 1 << 1;
    /// The kernel took less than it was given: nothing is written before it reports room.
    pub(crate) const BLOCKED: u8 = 1 << 2;
    /// Reading rests until queued output is out: a peer that does not read is not read from.
    pub(crate) const PAUSED: u8 = 1 << 3;
    /// It stands in the queue of those to be read from again without a new event.
    pub(crate) const REVISIT: u8 = 1 << 4;
    /// It stands in the list of those whose queued output is written at the end of the iteration.
    pub(crate) const DIRTY: u8 = 1 << 5;
    /// It was accepted over the limit, to be told 503.
    pub(crate) const REFUSED: u8 = 1 << 6;
    /// The writing half has been ended.
    pub(crate) const SHUT: u8 = 1 << 7;

    pub(crate) const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    pub(crate) const fn set(&mut self, flag: u8) {
        self.0 |= flag;
    }

    pub(crate) const fn clear(&mut self, flag: u8) {
        self.0 &= !flag;
    }

    /// Sets the flag and says whether it was set before.
    pub(crate) const fn replace(&mut self, flag: u8) -> bool {
        let had = self.has(flag);
        self.set(flag);
        had
    }
}

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

/// What an idle connection does not have. It goes as soon as it is empty.
#[derive(Debug)]
pub(crate) struct Side {
    /// The index of its connection.
    owner: u32,
    /// The tick at which the message that has begun to arrive did.
    pub(crate) begun: u32,
    /// The decoder is out, in use: this stays, empty or not, with whatever else is kept of the connection.
    is_lent: bool,
    /// When the message that has begun to arrive must be whole.
    pub(super) clock: MessageClock,
    /// Deadlines that have passed over input which is not read yet.
    pub(super) looks: Looks,
    /// The request head so far.
    pub(crate) head: Vec<u8>,
    /// What has arrived of a message.
    pub(crate) decoder: Decoder,
    /// Bytes that were read and wait for the next visit, because those before them took up this one.
    pub(crate) unread: Unread,
    /// What later compressed messages may refer to.
    pub(super) contexts: Contexts,
    /// Output that waits for the kernel or for the end of the iteration.
    pub(crate) outbox: Outbox,
    /// The tick at which the kernel last took some of it.
    pub(super) taken_at: u32,
    /// There while a Pong has more time than usual.
    pub(super) late_pong: Option<Box<LatePong>>,
    /// There while the time to close depends on what the peer takes.
    pub(super) late_close: Option<Box<Stage>>,
}

impl Side {
    pub(crate) fn new(owner: u32) -> Self {
        Self {
            owner,
            begun: 0,
            is_lent: false,
            clock: MessageClock::default(),
            looks: Looks::default(),
            head: Vec::new(),
            decoder: Decoder::default(),
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
    pub(super) fn lend_decoder(&mut self) -> Decoder {
        debug_assert!(!self.is_lent, "the decoder is out");
        self.is_lent = true;
        std::mem::take(&mut self.decoder)
    }

    /// Puts the decoder back, or another that has nothing to keep in its place.
    pub(super) fn give_back(&mut self, decoder: Decoder) {
        self.is_lent = false;
        self.decoder = decoder;
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_lent
            && !self.looks.are_under_way()
            && self.head.is_empty()
            && self.decoder.is_idle()
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
        self.decoder.clear(pool);
        self.outbox.clear(pool);
    }

    /// Bytes that its windows take, which are not the pool's.
    pub(super) fn context_bytes(&self) -> usize {
        self.contexts.as_deref().map_or(0, Windows::capacity)
    }
}

/// The layout of a slot of `slab::Slab`, whose own type is private.
#[expect(dead_code, reason = "only its size is looked at")]
enum Slot<T> {
    Vacant(usize),
    Occupied(T),
}

const _: () = assert!(size_of::<Record<OwnedFd, ()>>() == 32);
const _: () = assert!(size_of::<Slot<Record<OwnedFd, ()>>>() == 32);
const _: () = assert!(size_of::<Side>() <= 304);
