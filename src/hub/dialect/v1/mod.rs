//! The subprotocol `throng.v1`: one JSON object in a text message each way. docs/HUB.md is its specification.

mod incoming;
mod members;
mod outgoing;

use serde::Serialize;

pub(crate) use incoming::{ClientRequest, ParseRequestError, parse};
pub(crate) use outgoing::{encode_broadcast, encode_message, encode_server_message, max_encoded_bytes};

/// The subprotocol's name in the handshake.
pub(crate) const SUBPROTOCOL: &str = "throng.v1";

/// Why a request was refused: the value of `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ErrorCode {
    BadRequest,
    BadTopic,
    Forbidden,
    AlreadySubscribed,
    NotSubscribed,
    TooLarge,
    TooManySubscriptions,
    TooManyTopics,
    Busy,
    Unavailable,
    Cancelled,
}
