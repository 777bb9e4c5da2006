//! Published messages of topics and broadcasts to all connections, each with its encodings by dialect.

use std::sync::Arc;

use super::dialect::{self, Dialect, Encodings};
use super::in_flight::Reservation;
use super::name::{MAX_TOPIC_NAME, TopicName};
use crate::worker::PreparedMessage;

/// A published message with its position. The topic's history and all workers with subscribers share it.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) topic: TopicName,
    /// The hash of the topic's name, by which workers look up the topic.
    pub(crate) hash: u64,
    pub(crate) offset: u64,
    encodings: Encodings,
    /// The message's share of the limit of messages under way; `None` for a message read from a history.
    reservation: Option<Reservation>,
}

impl Publication {
    pub(crate) const fn new(
        topic: TopicName,
        hash: u64,
        offset: u64,
        published: PreparedMessage,
        reservation: Option<Reservation>,
    ) -> Self {
        Self { topic, hash, offset, encodings: Encodings::new(published), reservation }
    }

    /// Returns the message as a subscriber with this dialect receives it.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        self.encodings.get(dialect, |published| {
            count_encoding(dialect.encode(&self.topic, self.offset, published), self.reservation.as_ref())
        })
    }

    /// Returns the message's bytes for limits. An encoding takes at most six times as many in an outbox.
    pub(crate) fn limit_bytes(&self) -> usize {
        limit_bytes(self.bytes())
    }

    /// Returns the number of payload bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.encodings.published().payload().len()
    }
}

/// Bytes that a message's position counts for limits, beside its payload and the name of its topic.
const POSITION_BYTES: usize = 32;

/// Returns the bytes for limits of a message with a payload of `payload` bytes. An encoding takes at most six times as many in an outbox.
pub(crate) const fn limit_bytes(payload: usize) -> usize {
    payload + MAX_TOPIC_NAME + POSITION_BYTES
}

/// Returns the most bytes that an encoding of a message has, in any dialect whose clients can recover missed messages.
pub(crate) fn max_encoded_bytes(topic: &str, published: &PreparedMessage) -> usize {
    dialect::max_encoded_bytes(topic, published)
}

/// A message to all connections, which belongs to no topic.
#[derive(Debug)]
pub(crate) struct BroadcastMessage {
    encodings: Encodings,
    reservation: Reservation,
}

impl BroadcastMessage {
    pub(crate) fn new(published: PreparedMessage, reservation: Reservation) -> Arc<Self> {
        Arc::new(Self { encodings: Encodings::new(published), reservation })
    }

    /// Returns the message as a client with this dialect receives it.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        let encode = |published: &PreparedMessage| {
            count_encoding(dialect.encode_broadcast(published), Some(&self.reservation))
        };
        self.encodings.get(dialect, encode)
    }

    /// Returns the number of payload bytes.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn bytes(&self) -> usize {
        self.encodings.published().payload().len()
    }
}

/// Adds the bytes of an encoding to the reservation of its message.
fn count_encoding(encoded: PreparedMessage, reservation: Option<&Reservation>) -> PreparedMessage {
    if let Some(reservation) = reservation {
        reservation.grow(encoded.payload().len());
    }
    encoded
}
