//! The subprotocol `throng.v1`: one JSON object in a text message each way. docs/HUB.md is its specification.

mod incoming;
mod members;
mod outgoing;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub(crate) use incoming::{Bad, Incoming, parse};
pub(crate) use outgoing::{broadcast, message, most_bytes, say};

/// The subprotocol's name in the handshake.
pub(crate) const SUBPROTOCOL: &str = "throng.v1";

/// What a client calls its request; the answer repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// As it was written: who counts in numbers that are none of ours finds its own again.
    Number(Box<str>),
    Text(Box<str>),
}

impl Name {
    const fn len(&self) -> usize {
        let (Self::Number(name) | Self::Text(name)) = self;
        name.len()
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(literal) => {
                let literal: &RawValue = serde_json::from_str(literal).map_err(S::Error::custom)?;
                literal.serialize(serializer)
            }
        }
    }
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
