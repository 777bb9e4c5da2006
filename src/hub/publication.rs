//! A message of a topic, and one to all connections, with what they are in each dialect.

use std::sync::Arc;

use super::dialect::{self, Dialect, Encodings};
use super::in_flight::Reservation;
use super::name::{MAX_TOPIC, Name};
use crate::worker::PreparedMessage;

/// A published message with its place, shared by its topic's history and all workers that have subscribers.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) topic: Name,
    /// The name's hash, by which workers find the topic.
    pub(crate) hash: u64,
    pub(crate) offset: u64,
    encodings: Encodings,
    /// What it counts among the messages under way; `None` for what a history gives.
    reservation: Option<Reservation>,
}

impl Publication {
    pub(crate) const fn new(
        topic: Name,
        hash: u64,
        offset: u64,
        published: PreparedMessage,
        reservation: Option<Reservation>,
    ) -> Self {
        Self { topic, hash, offset, encodings: Encodings::new(published), reservation }
    }

    /// As a subscriber gets it that speaks this dialect.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        self.encodings.get(dialect, |published| {
            counted(dialect.encode(&self.topic, self.offset, published), self.reservation.as_ref())
        })
    }

    /// Bytes of it, of which an encoding takes six times as many in an outbox at most.
    pub(crate) fn measure(&self) -> usize {
        measure(self.bytes())
    }

    /// Bytes of its payload.
    pub(crate) fn bytes(&self) -> usize {
        self.encodings.published().payload().len()
    }
}

/// What a message's place counts beside its payload and its topic's name.
const PLACE: usize = 32;

/// Bytes of a message with so many in its payload, of which an encoding takes six times as many in an outbox at most.
pub(crate) const fn measure(payload: usize) -> usize {
    payload + MAX_TOPIC + PLACE
}

/// The most bytes that an encoding has of a message, in any dialect whose clients say what they have seen.
pub(crate) fn most_bytes(topic: &str, published: &PreparedMessage) -> usize {
    dialect::most_bytes(topic, published)
}

/// A message to all connections, of no topic.
#[derive(Debug)]
pub(crate) struct Broadcast {
    encodings: Encodings,
    reservation: Reservation,
}

impl Broadcast {
    pub(crate) fn new(published: PreparedMessage, reservation: Reservation) -> Arc<Self> {
        Arc::new(Self { encodings: Encodings::new(published), reservation })
    }

    /// As a client gets it that speaks this dialect.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        let encode = |published: &PreparedMessage| {
            counted(dialect.encode_broadcast(published), Some(&self.reservation))
        };
        self.encodings.get(dialect, encode)
    }

    /// Bytes of its payload.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn bytes(&self) -> usize {
        self.encodings.published().payload().len()
    }
}

/// An encoding that was made of a message under way, which counts with it.
fn counted(encoded: PreparedMessage, reservation: Option<&Reservation>) -> PreparedMessage {
    if let Some(reservation) = reservation {
        reservation.grow(encoded.payload().len());
    }
    encoded
}
