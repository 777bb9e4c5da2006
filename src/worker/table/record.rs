//! The record of a connection: 32 bytes of plain data, and a side record while there is more to keep.

use std::os::fd::OwnedFd;

use super::side::SideId;
use super::tags::{GenerationAndListener, ListenerIndex, Protocol, State, Tags, TransportKind};
use crate::base::wheel::Node;
use crate::ws::deflate::DeflateParams;

/// A connection.
///
/// Without application data a record takes 32 bytes, and so does a vacant slot: most of a million connections are idle, and an idle one has
/// no other memory.
#[derive(Debug)]
pub(crate) struct Record<S, D> {
    pub(crate) socket: S,
    /// The generation, which distinguishes the connections that have had this slot, so that tokens and ids of earlier ones are void; and
    /// the listener that accepted the connection.
    origin: GenerationAndListener,
    pub(crate) timer: Node,
    /// The tick at which bytes of the peer were last read.
    pub(crate) last_seen: u32,
    pub(crate) side: SideId,
    tags: Tags,
    pub(crate) flags: Flags,
    /// The negotiated compression parameters.
    pub(crate) params: DeflateParams,
    /// The application's data: set from the upgrade until the handler's `close` is called.
    pub(crate) data: Option<D>,
}

impl<S, D> Record<S, D> {
    /// Makes the record of a connection that was accepted from this listener at the tick `now`. The table assigns the generation.
    pub(crate) fn new(
        socket: S,
        listener: ListenerIndex,
        initial: (TransportKind, Protocol),
        now: u32,
    ) -> Self {
        let (transport, protocol) = initial;
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

    /// Returns the listener that accepted the connection.
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

/// Facts about a connection, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// A Ping was sent, and no Pong has answered it.
    pub(crate) const AWAIT_PONG: u8 = 1 << 0;
    /// The timer is armed to check for the Pong of the last Ping, rather than for the next Ping.
    pub(crate) const PONG_TIMER: u8 = 1 << 1;
    /// The kernel took less than it was given: nothing is written before it reports room.
    pub(crate) const BLOCKED: u8 = 1 << 2;
    /// Reading is paused until queued output is written: the server does not read from a peer that does not read.
    pub(crate) const PAUSED: u8 = 1 << 3;
    /// The connection is queued to be read from again without a new event.
    pub(crate) const REVISIT: u8 = 1 << 4;
    /// The connection is in the list of those with queued output to be written at the end of the iteration.
    pub(crate) const DIRTY: u8 = 1 << 5;
    /// The connection was accepted beyond a limit, to be refused with 503.
    pub(crate) const REFUSED: u8 = 1 << 6;
    /// The writing half was shut down.
    pub(crate) const WRITE_SHUT: u8 = 1 << 7;

    pub(crate) const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    pub(crate) const fn set(&mut self, flag: u8) {
        self.0 |= flag;
    }

    pub(crate) const fn clear(&mut self, flag: u8) {
        self.0 &= !flag;
    }

    /// Sets the flag and returns whether it was set before.
    pub(crate) const fn replace(&mut self, flag: u8) -> bool {
        let had = self.has(flag);
        self.set(flag);
        had
    }
}

/// Returns the bytes that a connection takes in a table, where its handler's data has the type `D`.
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
