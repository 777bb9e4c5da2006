//! A message of a topic, and one to all connections, with what they are in each dialect.

use std::sync::Arc;

use super::dialect::{Dialect, Encodings};
use super::freight::Freight;
use super::name::{MAX_TOPIC, Name};
use crate::worker::PreparedMessage;

/// A published message with its place, shared by its topic's history and all workers that have subscribers.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) topic: Name,
    /// The name's hash, by which workers find the topic.
    pub(crate) hash: u64,
    pub(crate) offset: u64,
    encodings: Encodings,
    /// What it counts among the messages under way; `None` for what a history gives.
    freight: Option<Freight>,
}

impl Item {
    pub(crate) const fn new(
        topic: Name,
        hash: u64,
        offset: u64,
        published: PreparedMessage,
        freight: Option<Freight>,
    ) -> Self {
        Self { topic, hash, offset, encodings: Encodings::new(published), freight }
    }

    /// As a subscriber gets it that speaks this dialect.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        self.encodings.get(dialect, |published| {
            counted(dialect.encode(&self.topic, self.offset, published), self.freight.as_ref())
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

/// A message to all connections, of no topic.
#[derive(Debug)]
pub(crate) struct Announcement {
    encodings: Encodings,
    freight: Freight,
}

impl Announcement {
    pub(crate) fn new(published: PreparedMessage, freight: Freight) -> Arc<Self> {
        Arc::new(Self { encodings: Encodings::new(published), freight })
    }

    /// As a client gets it that speaks this dialect.
    pub(crate) fn encoded(&self, dialect: Dialect) -> &PreparedMessage {
        let encode =
            |published: &PreparedMessage| counted(dialect.encode_broadcast(published), Some(&self.freight));
        self.encodings.get(dialect, encode)
    }

    /// Bytes of its payload.
    #[cfg(feature = "simulation")]
    pub(crate) fn bytes(&self) -> usize {
        self.encodings.published().payload().len()
    }
}

/// An encoding that was made of a message under way, which counts with it.
fn counted(encoded: PreparedMessage, freight: Option<&Freight>) -> PreparedMessage {
    if let Some(freight) = freight {
        freight.grow(encoded.payload().len());
    }
    encoded
}
