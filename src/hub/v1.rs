//! The subprotocol `throng.v1`: one JSON object in a text message each way. docs/HUB.md is its specification.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::message::{Epoch, Position};
use super::publisher::Published;
use crate::worker::PreparedMessage;
use crate::ws::Message;

/// The subprotocol's name in the handshake.
pub(crate) const SUBPROTOCOL: &str = "throng.v1";
/// Most bytes of an `id` that is a text.
const MAX_ID: usize = 64;

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

/// A client's request.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming<'a> {
    Subscribe { topic: Cow<'a, str>, since: Option<Position> },
    Unsubscribe { topic: Cow<'a, str> },
    Publish { topic: Cow<'a, str>, data: Data<'a> },
    Ping,
}

/// A message's payload.
#[derive(Debug, PartialEq)]
pub(crate) enum Data<'a> {
    Text(Cow<'a, str>),
    Binary(Vec<u8>),
}

impl Data<'_> {
    pub(crate) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
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
    TooManySubscriptions,
    TooManyTopics,
    Busy,
}

/// A request that is none.
#[derive(Debug, PartialEq)]
pub(crate) struct Bad {
    pub(crate) id: Id,
    pub(crate) why: String,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    id: Option<Name>,
    since: Option<RawPosition>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawPosition {
    offset: u64,
    epoch: String,
}

/// Reads a request. Members that it does not need are ignored.
pub(crate) fn parse(text: &str) -> Result<(Id, Incoming<'_>), Bad> {
    let raw: Raw<'_> = serde_json::from_str(text)
        .map_err(|error| Bad { id: Id::NONE, why: format!("this is no request: {error}") })?;
    let id = match raw.id {
        Some(Name::Text(text)) if text.len() > MAX_ID => {
            return Err(Bad { id: Id::NONE, why: format!("an id has at most {MAX_ID} bytes") });
        }
        id => Id(id.map(Box::new)),
    };
    match incoming(raw.kind, raw.topic, raw.since, raw.data, raw.base64) {
        Ok(incoming) => Ok((id, incoming)),
        Err(why) => Err(Bad { id, why }),
    }
}

fn incoming<'a>(
    kind: Option<Cow<'a, str>>,
    topic: Option<Cow<'a, str>>,
    since: Option<RawPosition>,
    data: Option<Cow<'a, str>>,
    base64: Option<Cow<'a, str>>,
) -> Result<Incoming<'a>, String> {
    let kind = kind.ok_or("a request has a type")?;
    if kind == "ping" {
        return Ok(Incoming::Ping);
    }
    if !matches!(&*kind, "subscribe" | "unsubscribe" | "publish") {
        return Err(format!("there is no type {kind:?}: subscribe, unsubscribe, publish and ping are"));
    }
    let topic = topic.ok_or_else(|| format!("{kind} needs a topic"))?;
    match &*kind {
        "subscribe" => Ok(Incoming::Subscribe { topic, since: since.map(position).transpose()? }),
        "unsubscribe" => Ok(Incoming::Unsubscribe { topic }),
        _ => match (data, base64) {
            (Some(text), None) => Ok(Incoming::Publish { topic, data: Data::Text(text) }),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(&*text).map_err(|error| format!("base64: {error}"))?;
                Ok(Incoming::Publish { topic, data: Data::Binary(bytes) })
            }
            _ => Err("publish needs either data or base64".into()),
        },
    }
}

/// An epoch that this server cannot have given is one that is over.
fn position(raw: RawPosition) -> Result<Position, String> {
    let epoch = raw.epoch.parse::<Epoch>().map_err(|error| format!("since: {error}"))?;
    Ok(Position { offset: raw.offset, epoch })
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Outgoing<'a> {
    Subscribed {
        topic: &'a str,
        offset: u64,
        epoch: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Name>,
    },
    Unsubscribed {
        topic: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Name>,
    },
    Published {
        topic: &'a str,
        offset: u64,
        epoch: String,
        subscribers: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Name>,
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
        id: Option<&'a Name>,
    },
    Error {
        code: Code,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Name>,
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

pub(crate) fn subscribed(topic: &str, from: Position, recovered: Option<bool>, id: &Id) -> String {
    let Position { offset, epoch } = from;
    text(&Outgoing::Subscribed { topic, offset, epoch: epoch.to_string(), recovered, id: id.0.as_deref() })
}

pub(crate) fn unsubscribed(topic: &str, id: &Id) -> String {
    text(&Outgoing::Unsubscribed { topic, id: id.0.as_deref() })
}

pub(crate) fn published(topic: &str, published: Published, id: &Id) -> String {
    let Published { offset, epoch, subscribers } = published;
    let epoch = epoch.to_string();
    text(&Outgoing::Published { topic, offset, epoch, subscribers, id: id.0.as_deref() })
}

pub(crate) fn pong(id: &Id) -> String {
    text(&Outgoing::Pong { id: id.0.as_deref() })
}

pub(crate) fn error(code: Code, message: &str, topic: Option<&str>, id: &Id) -> String {
    text(&Outgoing::Error { code, message, topic, id: id.0.as_deref() })
}

pub(crate) fn message(topic: &str, offset: u64, bare: &PreparedMessage) -> PreparedMessage {
    PreparedMessage::new(Message::Text(&text(&Outgoing::Message {
        topic,
        offset,
        payload: Payload::of(bare),
    })))
}

pub(crate) fn broadcast(bare: &PreparedMessage) -> PreparedMessage {
    PreparedMessage::new(Message::Text(&text(&Outgoing::Broadcast { payload: Payload::of(bare) })))
}

fn text(outgoing: &Outgoing<'_>) -> String {
    // Texts, numbers and booleans can always be written.
    serde_json::to_string(outgoing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Id {
        Id(Some(Box::new(Name::Number(number.into()))))
    }

    fn why(text: &str) -> String {
        parse(text).unwrap_err().why
    }

    #[test]
    fn requests_are_read_and_what_is_not_needed_ignored() {
        let epoch = Epoch { run: 0xab, serial: 3 };
        let cases = [
            (
                r#"{"type":"subscribe","topic":"a"}"#,
                Id::NONE,
                Incoming::Subscribe { topic: "a".into(), since: None },
            ),
            (
                r#"{"since":{"epoch":"000000ab-3","offset":7},"more":[1],"id":7,"topic":"a\n","type":"subscribe"}"#,
                number(7),
                Incoming::Subscribe { topic: "a\n".into(), since: Some(Position { offset: 7, epoch }) },
            ),
            (
                r#"{"type":"unsubscribe","topic":"a","id":"x"}"#,
                Id(Some(Box::new(Name::Text("x".into())))),
                Incoming::Unsubscribe { topic: "a".into() },
            ),
            (
                r#"{"type":"publish","topic":"a","data":"hi"}"#,
                Id::NONE,
                Incoming::Publish { topic: "a".into(), data: Data::Text("hi".into()) },
            ),
            (
                r#"{"type":"publish","topic":"a","base64":"AAE="}"#,
                Id::NONE,
                Incoming::Publish { topic: "a".into(), data: Data::Binary(vec![0, 1]) },
            ),
            (r#"{"type":"ping","id":1}"#, number(1), Incoming::Ping),
        ];
        for (text, id, incoming) in cases {
            assert_eq!(parse(text), Ok((id, incoming)), "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        for text in ["", "7", "[]", "{", r#"{"type":7}"#, r#"{"type":"publish","topic":[]}"#] {
            assert!(why(text).starts_with("this is no request"), "{text}");
        }
        assert!(why("{}").contains("type"));
        assert!(why(r#"{"type":"dance"}"#).contains("dance"));
        for kind in ["subscribe", "unsubscribe", "publish"] {
            assert!(why(&format!(r#"{{"type":"{kind}"}}"#)).contains("needs a topic"));
        }
        for text in [
            r#"{"type":"publish","topic":"a"}"#,
            r#"{"type":"publish","topic":"a","data":"","base64":""}"#,
            r#"{"type":"publish","topic":"a","base64":"?"}"#,
        ] {
            assert!(why(text).contains("base64"), "{text}");
        }
        assert!(
            why(r#"{"type":"subscribe","topic":"a","since":{"offset":1,"epoch":"?"}}"#).contains("since")
        );
        let long = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(MAX_ID + 1));
        assert!(why(&long).contains("64 bytes"));
        assert!(parse(&long.replacen('x', "", 1)).is_ok());
    }

    #[test]
    fn the_id_of_a_wrong_request_comes_back() {
        assert_eq!(parse(r#"{"type":"dance","id":5}"#).unwrap_err().id, number(5));
    }

    #[test]
    fn the_server_speaks_json() {
        let from = Position { offset: 3, epoch: Epoch { run: 1, serial: 2 } };
        assert_eq!(
            subscribed("t", from, Some(true), &number(9)),
            r#"{"type":"subscribed","topic":"t","offset":3,"epoch":"00000001-2","recovered":true,"id":9}"#
        );
        assert_eq!(
            subscribed("t", from, None, &Id::NONE),
            r#"{"type":"subscribed","topic":"t","offset":3,"epoch":"00000001-2"}"#
        );
        assert_eq!(unsubscribed("\"", &Id::NONE), r#"{"type":"unsubscribed","topic":"\""}"#);
        let done = Published { offset: 1, epoch: from.epoch, subscribers: 4 };
        assert_eq!(
            published("t", done, &number(1)),
            r#"{"type":"published","topic":"t","offset":1,"epoch":"00000001-2","subscribers":4,"id":1}"#
        );
        assert_eq!(
            error(Code::TooManySubscriptions, "no", Some("t"), &Id::NONE),
            r#"{"type":"error","code":"too-many-subscriptions","message":"no","topic":"t"}"#
        );
        assert_eq!(pong(&number(2)), r#"{"type":"pong","id":2}"#);
        let text = PreparedMessage::new(Message::Text("é\n"));
        assert_eq!(
            message("t", 5, &text).payload(),
            r#"{"type":"message","topic":"t","offset":5,"data":"é\n"}"#.as_bytes()
        );
        let binary = PreparedMessage::new(Message::Binary(b"\0\x01"));
        assert_eq!(broadcast(&binary).payload(), br#"{"type":"broadcast","base64":"AAE="}"#);
    }
}
