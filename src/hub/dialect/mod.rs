//! Dialects: the format in which a client receives published messages and other messages of the server.
//!
//! A connection's record stores the number of its dialect in three bits. A message is encoded once for each dialect that one of its
//! subscribers uses. To add a dialect, give it a number and an arm in each function of this module, and write its encoding in a module of
//! its own.

mod encodings;
pub(crate) mod v1;

use std::time::Duration;

use super::outcome::Published;
use super::position::Position;
use super::request_id::RequestId;
use crate::http::Request;
use crate::worker::PreparedMessage;

pub(crate) use encodings::Encodings;

/// The dialect of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dialect {
    /// Messages as they were published, of the topics that the URL names, and no other messages.
    Raw = 0,
    /// The subprotocol `throng.v1`.
    ThrongV1 = 1,
}

/// A message of the server that is not a published message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerMessage<'a> {
    /// The first message: the most bytes of a payload.
    Welcome { max_message: usize },
    /// The last message, when the server ends: the time within which clients reconnect, spread at random.
    Reconnect { within: Duration },
    /// A subscription has begun after this position. `recovered` is set if the client asked for missed messages.
    Subscribed { topic: &'a str, from: Position, recovered: Option<bool>, id: &'a RequestId },
    /// A subscription has ended.
    Unsubscribed { topic: &'a str, id: &'a RequestId },
    /// A message of the client was published at this position.
    Published { topic: &'a str, published: Published, id: &'a RequestId },
    /// The answer to a ping.
    Pong { id: &'a RequestId },
    /// A request was refused.
    Refused { code: v1::ErrorCode, why: &'a str, topic: Option<&'a str>, id: &'a RequestId },
}

impl Dialect {
    /// Number of dialects.
    pub(crate) const COUNT: usize = Self::ALL.len();
    pub(crate) const ALL: [Self; 2] = [Self::Raw, Self::ThrongV1];

    /// Returns the dialect's number, which is below 8.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the dialect with this number.
    pub(crate) const fn of_number(number: u8) -> Self {
        match number {
            1 => Self::ThrongV1,
            _ => Self::Raw,
        }
    }

    /// Returns the dialect that a client asks for in its opening handshake.
    pub(crate) fn of_request(request: &Request<'_>) -> Self {
        let is_v1 = request.subprotocols().any(|name| name == v1::SUBPROTOCOL);
        if is_v1 { Self::ThrongV1 } else { Self::Raw }
    }

    /// Returns the subprotocol for the server's opening handshake, if the dialect has one.
    pub(crate) const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            Self::ThrongV1 => Some(v1::SUBPROTOCOL),
        }
    }

    /// Returns whether clients send requests in messages, and get replies.
    pub(crate) const fn has_requests(self) -> bool {
        match self {
            Self::Raw => false,
            Self::ThrongV1 => true,
        }
    }

    /// Encodes a message of a topic.
    pub(crate) fn encode(self, topic: &str, offset: u64, published: &PreparedMessage) -> PreparedMessage {
        match self {
            Self::Raw => published.clone(),
            Self::ThrongV1 => v1::encode_message(topic, offset, published),
        }
    }

    /// Encodes a message to all connections.
    pub(crate) fn encode_broadcast(self, published: &PreparedMessage) -> PreparedMessage {
        match self {
            Self::Raw => published.clone(),
            Self::ThrongV1 => v1::encode_broadcast(published),
        }
    }

    /// Encodes a message of the server; `None` if the dialect has no such message.
    pub(crate) fn encode_server_message(self, message: &ServerMessage<'_>) -> Option<String> {
        match self {
            Self::Raw => None,
            Self::ThrongV1 => Some(v1::encode_server_message(message)),
        }
    }
}

/// Returns the most bytes that an encoding of a message has, in any dialect whose clients can recover missed messages.
pub(crate) fn max_encoded_bytes(topic: &str, published: &PreparedMessage) -> usize {
    v1::max_encoded_bytes(topic, published)
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
