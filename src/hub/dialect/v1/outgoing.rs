//! Encoding of the server's messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::ErrorCode;
use crate::hub::dialect::ServerMessage;
use crate::hub::outcome::Published;
use crate::hub::position::Position;
use crate::hub::request_id::RequestIdValue;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// A message of the server, as JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum ServerJson<'a> {
    Welcome {
        max_message: usize,
    },
    Reconnect {
        within: u64,
    },
    Subscribed {
        topic: &'a str,
        offset: u64,
        epoch: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestIdValue>,
    },
    Unsubscribed {
        topic: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestIdValue>,
    },
    Published {
        topic: &'a str,
        offset: u64,
        epoch: String,
        subscribers: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestIdValue>,
    },
    Message {
        topic: &'a str,
        offset: u64,
        #[serde(flatten)]
        payload: Payload<'a>,
    },
    Broadcast {
        #[serde(flatten)]
        payload: Payload<'a>,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestIdValue>,
    },
    Error {
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestIdValue>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Payload<'a> {
    Data(&'a str),
    Base64(String),
}

impl<'a> Payload<'a> {
    fn of(message: &'a PreparedMessage) -> Self {
        match std::str::from_utf8(message.payload()) {
            Ok(text) if message.is_text() => Self::Data(text),
            _ => Self::Base64(STANDARD.encode(message.payload())),
        }
    }
}

/// Returns the JSON text of a message of the server.
pub(crate) fn encode_server_message(message: &ServerMessage<'_>) -> String {
    text(&match *message {
        ServerMessage::Welcome { max_message } => ServerJson::Welcome { max_message },
        ServerMessage::Reconnect { within } => {
            ServerJson::Reconnect { within: u64::try_from(within.as_millis()).unwrap_or(u64::MAX) }
        }
        ServerMessage::Subscribed { topic, from: Position { offset, epoch }, recovered, id } => {
            ServerJson::Subscribed { topic, offset, epoch: epoch.to_string(), recovered, id: id.value() }
        }
        ServerMessage::Unsubscribed { topic, id } => ServerJson::Unsubscribed { topic, id: id.value() },
        ServerMessage::Published { topic, published: Published { offset, epoch, subscribers }, id } => {
            let epoch = epoch.to_string();
            ServerJson::Published { topic, offset, epoch, subscribers, id: id.value() }
        }
        ServerMessage::Pong { id } => ServerJson::Pong { id: id.value() },
        ServerMessage::Refused { code, why, topic, id } => {
            ServerJson::Error { code, message: why, topic, id: id.value() }
        }
    })
}

/// Encodes a message of a topic.
pub(crate) fn encode_message(topic: &str, offset: u64, published: &PreparedMessage) -> PreparedMessage {
    PreparedMessage::new(Message::Text(&text(&ServerJson::Message {
        topic,
        offset,
        payload: Payload::of(published),
    })))
}

/// Returns the most bytes of a frame made by [`encode_message`].
pub(crate) fn max_encoded_bytes(topic: &str, published: &PreparedMessage) -> usize {
    let payload = published.payload();
    // The members' names, the largest offset and a frame header.
    let rest = 96;
    let payload = if published.is_text() { escaped(payload) } else { payload.len().div_ceil(3) * 4 };
    rest + escaped(topic.as_bytes()) + payload
}

/// Returns the bytes of a text in JSON, without its quotation marks.
fn escaped(text: &[u8]) -> usize {
    let len = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(len).sum()
}

pub(crate) fn encode_broadcast(published: &PreparedMessage) -> PreparedMessage {
    PreparedMessage::new(Message::Text(&text(&ServerJson::Broadcast { payload: Payload::of(published) })))
}

fn text(outgoing: &ServerJson<'_>) -> String {
    // Serializing texts, numbers and booleans cannot fail.
    serde_json::to_string(outgoing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::position::Epoch;
    use crate::hub::request_id::RequestId;

    fn number(number: u64) -> RequestId {
        RequestId::new(RequestIdValue::Number(number.to_string().into()))
    }

    proptest::proptest! {
        #[test]
        fn a_message_has_no_more_bytes_than_are_set_aside_for_it(topic: String, offset: u64, text: String, binary: Vec<u8>) {
            let controls: String = (0..0x80_u8).map(char::from).collect();
            let text = text + &controls;
            for published in [Message::Text(&text), Message::Binary(&binary)] {
                let published = PreparedMessage::new(published);
                let [most, len] = [max_encoded_bytes(&topic, &published), encode_message(&topic, offset, &published).frame().len()];
                proptest::prop_assert!(len <= most && len + 96 > most, "{len} {most}");
            }
        }
    }

    #[test]
    fn the_server_speaks_json() {
        let from = Position { offset: 3, epoch: Epoch { run: 1, serial: 2 } };
        assert_eq!(
            encode_server_message(&ServerMessage::Subscribed {
                topic: "t",
                from,
                recovered: Some(true),
                id: &number(9)
            }),
            r#"{"type":"subscribed","topic":"t","offset":3,"epoch":"00000001-2","recovered":true,"id":9}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Subscribed {
                topic: "t",
                from,
                recovered: None,
                id: &RequestId::NONE
            }),
            r#"{"type":"subscribed","topic":"t","offset":3,"epoch":"00000001-2"}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Unsubscribed { topic: "\"", id: &RequestId::NONE }),
            r#"{"type":"unsubscribed","topic":"\""}"#
        );
        let done = Published { offset: 1, epoch: from.epoch, subscribers: 4 };
        assert_eq!(
            encode_server_message(&ServerMessage::Published { topic: "t", published: done, id: &number(1) }),
            r#"{"type":"published","topic":"t","offset":1,"epoch":"00000001-2","subscribers":4,"id":1}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Refused {
                code: ErrorCode::TooManySubscriptions,
                why: "no",
                topic: Some("t"),
                id: &RequestId::NONE
            }),
            r#"{"type":"error","code":"too-many-subscriptions","message":"no","topic":"t"}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Welcome { max_message: 1 << 20 }),
            r#"{"type":"welcome","max_message":1048576}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Reconnect { within: Duration::from_secs(10) }),
            r#"{"type":"reconnect","within":10000}"#
        );
        assert_eq!(
            encode_server_message(&ServerMessage::Pong { id: &number(2) }),
            r#"{"type":"pong","id":2}"#
        );
        let exact = RequestId::new(RequestIdValue::Number("12345678901234567890123.50".into()));
        assert_eq!(
            encode_server_message(&ServerMessage::Pong { id: &exact }),
            r#"{"type":"pong","id":12345678901234567890123.50}"#
        );
        let text = PreparedMessage::new(Message::Text("é\n"));
        assert_eq!(
            encode_message("t", 5, &text).payload(),
            r#"{"type":"message","topic":"t","offset":5,"data":"é\n"}"#.as_bytes()
        );
        let binary = PreparedMessage::new(Message::Binary(b"\0\x01"));
        assert_eq!(encode_broadcast(&binary).payload(), br#"{"type":"broadcast","base64":"AAE="}"#);
    }
}
