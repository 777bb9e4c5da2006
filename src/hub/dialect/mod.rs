//! What subscribers speak: how a published message looks to each of them, and what else the server says.
//!
//! A dialect is a number of three bits in a connection's record. A message is encoded once for each dialect that one of its subscribers speaks. To add
//! one, give it a number and an arm in each function here, and write what it says in a module of its own.

mod encodings;
pub(crate) mod v1;

use std::time::Duration;

use super::outcome::Published;
use super::position::Position;
use super::request_id::RequestId;
use crate::http::Request;
use crate::worker::PreparedMessage;

pub(crate) use encodings::Encodings;

/// What the subscribers of a connection speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dialect {
    /// Messages as they were published, of the topics that the URL names, and nothing else.
    Raw = 0,
    /// The subprotocol `throng.v1`.
    ThrongV1 = 1,
}

/// What the server says to a client beside published messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerMessage<'a> {
    /// First of all: most bytes of a payload.
    Welcome { max_message: usize },
    /// Last of all, when the server ends: the time over which clients come back.
    Reconnect { within: Duration },
    /// A subscription has begun behind this position; `recovered` where the client asked for what it missed.
    Subscribed { topic: &'a str, from: Position, recovered: Option<bool>, id: &'a RequestId },
    /// A subscription has ended.
    Unsubscribed { topic: &'a str, id: &'a RequestId },
    /// A message of the client's has its place.
    Published { topic: &'a str, published: Published, id: &'a RequestId },
    /// The answer to a ping.
    Pong { id: &'a RequestId },
    /// A request was not done.
    Refused { code: v1::Code, why: &'a str, topic: Option<&'a str>, id: &'a RequestId },
}

impl Dialect {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();
    pub(crate) const ALL: [Self; 2] = [Self::Raw, Self::ThrongV1];

    /// Its number, below 8.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// The dialect with this number, which one of them has.
    pub(crate) const fn of_number(number: u8) -> Self {
        match number {
            1 => Self::ThrongV1,
            _ => Self::Raw,
        }
    }

    /// What a client wants to speak that asks to open a WebSocket.
    pub(crate) fn of_request(request: &Request<'_>) -> Self {
        let is_v1 = request.subprotocols().any(|name| name == v1::SUBPROTOCOL);
        if is_v1 { Self::ThrongV1 } else { Self::Raw }
    }

    /// The subprotocol that is answered with.
    pub(crate) const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            Self::ThrongV1 => Some(v1::SUBPROTOCOL),
        }
    }

    /// Whether clients ask for things in messages, and are answered.
    pub(crate) const fn has_requests(self) -> bool {
        match self {
            Self::Raw => false,
            Self::ThrongV1 => true,
        }
    }

    /// A message of a topic.
    pub(crate) fn encode(self, topic: &str, offset: u64, published: &PreparedMessage) -> PreparedMessage {
        match self {
            Self::Raw => published.clone(),
            Self::ThrongV1 => v1::message(topic, offset, published),
        }
    }

    /// A message to all connections.
    pub(crate) fn encode_broadcast(self, published: &PreparedMessage) -> PreparedMessage {
        match self {
            Self::Raw => published.clone(),
            Self::ThrongV1 => v1::broadcast(published),
        }
    }

    /// A text that says something; `None` where the dialect has no words for it.
    pub(crate) fn say(self, message: &ServerMessage<'_>) -> Option<String> {
        match self {
            Self::Raw => None,
            Self::ThrongV1 => Some(v1::say(message)),
        }
    }
}

/// The most bytes that an encoding has of a message, in any dialect whose clients say what they have seen.
pub(crate) fn most_bytes(topic: &str, published: &PreparedMessage) -> usize {
    v1::most_bytes(topic, published)
}

const _: () = assert!(Dialect::COUNT <= 8, "a connection's record has three bits");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::Message;

    #[test]
    fn numbers_come_back() {
        for (number, dialect) in (0..).zip(Dialect::ALL) {
            assert_eq!((dialect.number(), Dialect::of_number(number)), (number, dialect));
        }
    }

    #[test]
    fn a_message_is_encoded_once_for_each_dialect() {
        let encodings = Encodings::new(PreparedMessage::new(Message::Text("x")));
        let mut made = 0;
        for dialect in Dialect::ALL.repeat(2) {
            let encoded = encodings.get(dialect, |published| {
                made += 1;
                dialect.encode("t", 1, published)
            });
            assert_eq!(encoded.payload(), dialect.encode("t", 1, encodings.published()).payload());
        }
        assert_eq!(made, Dialect::COUNT - 1);
    }
}
