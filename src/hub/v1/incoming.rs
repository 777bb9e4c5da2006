//! What clients say.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Id, Name};
use crate::hub::message::{Epoch, Position};
use crate::ws::Message;

/// Most bytes of an `id` that is a text.
const MAX_ID: usize = 64;

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
}
