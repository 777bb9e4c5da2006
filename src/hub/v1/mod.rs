//! The subprotocol `throng.v1`: one JSON object in a text message each way. docs/HUB.md is its specification.

mod incoming;
mod outgoing;

use serde::{Deserialize, Serialize};

pub(crate) use incoming::{Bad, Incoming, parse};
pub(crate) use outgoing::{
    broadcast, error, message, pong, published, reconnect, subscribed, unsubscribed, welcome,
};

/// The subprotocol's name in the handshake.
pub(crate) const SUBPROTOCOL: &str = "throng.v1";
/// What a client calls its request; the answer repeats it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum Name {
    Number(serde_json::Number),
    Text(Box<str>),
}

/// The `id` of a request, if it has one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Id(Option<Box<Name>>);

impl Id {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

/// Why a request was not done, as `code` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    BadRequest,
    BadTopic,
    Forbidden,
    AlreadySubscribed,
    NotSubscribed,
    TooLarge,
    TooManySubscriptions,
    TooManyTopics,
    Busy,
    Cancelled,
}
