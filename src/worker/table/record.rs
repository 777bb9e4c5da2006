//! What is kept of a connection: 32 bytes of plain data, and a side record while there is more to keep.

use std::os::fd::OwnedFd;

use super::side::SideId;
use super::tags::{GenerationAndListener, ListenerIndex, Protocol, State, Tags, TransportKind};
use crate::base::wheel::Node;
use crate::ws::deflate::DeflateParams;

/// A connection.
///
/// Without user data it takes 32 bytes, a vacant slot included: most of a million connections are idle, and an idle one has
/// nothing else.
#[derive(Debug)]
pub(crate) struct Record<S, D> {
    pub(crate) socket: S,
    /// Which of the connections that have had this slot it is; tokens and ids of another one are void. And the listener it came by.
    origin: GenerationAndListener,
    pub(crate) timer: Node,
    /// The tick at which bytes of the peer were last read.
    pub(crate) last_seen: u32,
    pub(crate) side: SideId,
    tags: Tags,
    pub(crate) flags: Flags,
    /// What was agreed on about compression.
    pub(crate) params: DeflateParams,
    /// The application's data: there from the upgrade until the application has been told of the close.
    pub(crate) data: Option<D>,
}

impl<S, D> Record<S, D> {
    /// A connection that was accepted from that listener at the tick `now`, with its generation still to be given.
    pub(crate) fn new(
        socket: S,
        listener: ListenerIndex,
        begins: (TransportKind, Protocol),
        now: u32,
    ) -> Self {
        let (transport, protocol) = begins;
        Self {
            socket,
            origin: GenerationAndListener::new(0, listener),
            timer: Node::UNLINKED,
            last_seen: now,
            side: SideId::NONE,
            tags: Tags::new(State::Handshaking, protocol, transport),
            flags: Flags::default(),
            params: DeflateParams::NONE,
            data: None,
        }
    }

    #[inline(always)]
    pub(crate) const fn state(&self) -> State {
        self.tags.state()
    }

    pub(crate) const fn set_state(&mut self, state: State) {
        self.tags.set_state(state);
    }

    #[inline(always)]
    pub(crate) const fn protocol(&self) -> Protocol {
        self.tags.protocol()
    }

    pub(crate) const fn set_protocol(&mut self, protocol: Protocol) {
        self.tags.set_protocol(protocol);
    }

    #[inline(always)]
    pub(crate) const fn transport(&self) -> TransportKind {
        self.tags.transport()
    }

    pub(crate) const fn set_transport(&mut self, transport: TransportKind) {
        self.tags.set_transport(transport);
    }

    /// The listener that the connection came by.
    pub(crate) const fn listener(&self) -> ListenerIndex {
        self.origin.listener()
    }

    #[inline(always)]
    pub(crate) const fn generation(&self) -> u32 {
        self.origin.generation()
    }

    pub(super) const fn set_generation(&mut self, generation: u32) {
        self.origin = GenerationAndListener::new(generation, self.listener());
    }
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

/// Bytes that a connection takes in a table, where its handler's data has the type `D`.
pub(crate) const fn record_bytes<D>() -> usize {
    size_of::<Slot<Record<OwnedFd, D>>>()
}

/// The layout of a slot of `slab::Slab`, whose own type is private.
#[expect(dead_code, reason = "only its size is looked at")]
enum Slot<T> {
    Vacant(usize),
    Occupied(T),
}

const _: () = assert!(size_of::<Record<OwnedFd, ()>>() == 32);
const _: () = assert!(record_bytes::<()>() == 32);
