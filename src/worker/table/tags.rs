//! State, protocol and transport of a connection, in spare bits of its record.

use super::id::GENERATION_BITS;
use crate::budget::MAX_LISTENERS;

/// The state of a connection. Each has its own meaning of the connection's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The server waits for a request head. Timer: the handshake deadline.
    Handshaking,
    /// Messages are exchanged. Timer: the next Ping, or the deadline of its Pong.
    Open,
    /// The server's Close is sent or queued, and it waits for the peer's; nothing more may be sent. Timer: the close deadline.
    Closing,
    /// Both sides have sent what they have to. Once queued output is written, the server shuts down the writing half and waits for the
    /// peer's end of the stream, so that no reset overtakes its last bytes. Timer: the close deadline.
    Lingering,
    /// A request has been answered, and another may follow. Timer: the deadline of the next request.
    KeptAlive,
    /// The handler decides on a request later. Reading is paused. Timer: the deadline of the decision.
    Deciding,
}

/// The protocol of a connection, which determines what handles the bytes that its transport has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP: the server waits for a request head, or has refused one.
    Opening,
    /// WebSocket (RFC 6455).
    WebSocket,
    /// The server waits for bytes that precede the transport and the protocol.
    Preamble,
}

/// How the bytes of a connection's stream pass through its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportKind {
    /// Unencrypted.
    Plain,
    /// In records, for tests.
    #[cfg(test)]
    Records,
}

/// State, protocol and transport of a connection in one byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tags(u8);

const STATE_BITS: u32 = 3;
const PROTOCOL_BITS: u32 = 3;
const STATE: u8 = (1 << STATE_BITS) - 1;
const PROTOCOL: u8 = ((1 << PROTOCOL_BITS) - 1) << STATE_BITS;
const TRANSPORT_AT: u32 = STATE_BITS + PROTOCOL_BITS;

impl Tags {
    pub(super) const fn new(state: State, protocol: Protocol, transport: TransportKind) -> Self {
        Self(state as u8 | (protocol as u8) << STATE_BITS | (transport as u8) << TRANSPORT_AT)
    }

    #[inline(always)]
    pub(super) const fn state(self) -> State {
        match self.0 & STATE {
            0 => State::Handshaking,
            1 => State::Open,
            2 => State::Closing,
            3 => State::Lingering,
            4 => State::KeptAlive,
            _ => State::Deciding,
        }
    }

    pub(super) const fn set_state(&mut self, state: State) {
        self.0 = self.0 & !STATE | state as u8;
    }

    #[inline(always)]
    pub(super) const fn protocol(self) -> Protocol {
        match (self.0 & PROTOCOL) >> STATE_BITS {
            0 => Protocol::Opening,
            1 => Protocol::WebSocket,
            _ => Protocol::Preamble,
        }
    }

    pub(super) const fn set_protocol(&mut self, protocol: Protocol) {
        self.0 = self.0 & !PROTOCOL | (protocol as u8) << STATE_BITS;
    }

    #[inline(always)]
    pub(super) const fn transport(self) -> TransportKind {
        match self.0 >> TRANSPORT_AT {
            #[cfg(test)]
            1 => TransportKind::Records,
            _ => TransportKind::Plain,
        }
    }

    pub(super) const fn set_transport(&mut self, transport: TransportKind) {
        self.0 = self.0 & (STATE | PROTOCOL) | (transport as u8) << TRANSPORT_AT;
    }
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/{:?}/{:?}", self.state(), self.protocol(), self.transport())
    }
}

/// The number of a listener among those of its worker. It is the same for the same address in all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenerIndex(u8);

impl ListenerIndex {
    /// Returns `None` for a number of [`MAX_LISTENERS`] or more.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < MAX_LISTENERS).map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The generation of a connection, in the lower bits, and the number of the listener that accepted it, in the upper bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GenerationAndListener(u32);

const GENERATION: u32 = (1 << GENERATION_BITS) - 1;

impl GenerationAndListener {
    pub(super) const fn new(generation: u32, listener: ListenerIndex) -> Self {
        Self(generation & GENERATION | (listener.0 as u32) << GENERATION_BITS)
    }

    #[inline(always)]
    pub(super) const fn generation(self) -> u32 {
        self.0 & GENERATION
    }

    pub(super) const fn listener(self) -> ListenerIndex {
        ListenerIndex((self.0 >> GENERATION_BITS) as u8)
    }
}

const _: () = assert!(MAX_LISTENERS == 1 << (u32::BITS - GENERATION_BITS), "a listener's number fits");

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Handshaking,
        State::Open,
        State::Closing,
        State::Lingering,
        State::KeptAlive,
        State::Deciding,
    ];
    const PROTOCOLS: [Protocol; 3] = [Protocol::Opening, Protocol::WebSocket, Protocol::Preamble];
    const TRANSPORTS: [TransportKind; 2] = [TransportKind::Plain, TransportKind::Records];

    #[test]
    fn each_tag_is_changed_without_the_others() {
        for state in STATES {
            for protocol in PROTOCOLS {
                for transport in TRANSPORTS {
                    let mut tags = Tags::new(State::Closing, Protocol::WebSocket, TransportKind::Plain);
                    tags.set_transport(transport);
                    tags.set_protocol(protocol);
                    tags.set_state(state);
                    assert_eq!(
                        (tags.state(), tags.protocol(), tags.transport()),
                        (state, protocol, transport)
                    );
                    assert_eq!(tags, Tags::new(state, protocol, transport));
                }
            }
        }
    }

    #[test]
    fn a_generation_and_the_highest_listener_do_not_touch_each_other() {
        assert_eq!(ListenerIndex::new(MAX_LISTENERS), None);
        for index in [0, MAX_LISTENERS - 1] {
            let listener = ListenerIndex::new(index).unwrap();
            for generation in [0, 1, GENERATION] {
                let both = GenerationAndListener::new(generation, listener);
                assert_eq!((both.generation(), both.listener().index()), (generation, index));
            }
        }
    }
}
