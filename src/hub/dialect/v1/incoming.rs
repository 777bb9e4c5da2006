//! Parsing of clients' requests.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::members;
use crate::hub::position::{Epoch, Position};
use crate::hub::request_id::{RequestId, RequestIdValue};
use crate::ws::Message;

/// Most bytes of an `id`.
const MAX_ID: usize = 64;
/// Most bytes of a client's text that an error repeats.
const MAX_QUOTED: usize = 64;

/// A client's request.
#[derive(Debug, PartialEq)]
pub(crate) enum ClientRequest<'a> {
    Subscribe { topic: Cow<'a, str>, since: Option<Position> },
    Unsubscribe { topic: Cow<'a, str> },
    Publish { topic: Cow<'a, str>, data: RequestPayload<'a> },
    Ping,
}

/// The payload of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum RequestPayload<'a> {
    Text(Cow<'a, str>),
    Binary(Vec<u8>),
}

impl RequestPayload<'_> {
    pub(crate) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

/// A message that is not a valid request. `id` is set if it could be read.
#[derive(Debug, PartialEq)]
pub(crate) struct ParseRequestError {
    pub(crate) id: RequestId,
    pub(crate) why: String,
}

impl fmt::Display for ParseRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ParseRequestError {}

/// The members of requests, in the order of the names given to [`members::read`].
#[derive(Debug, Default)]
struct RequestMembers<'a> {
    kind: Option<&'a RawValue>,
    topic: Option<&'a RawValue>,
    since: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    base64: Option<&'a RawValue>,
}

/// Parses a request. Members that the request does not need are ignored.
pub(crate) fn parse(text: &str) -> Result<(RequestId, ClientRequest<'_>), ParseRequestError> {
    let mut found = [None; 6];
    let names = ["id", "type", "topic", "since", "data", "base64"];
    let read = members::read(text, names, &mut found);
    let [id, kind, topic, since, data, base64] =
        found.map(|value| value.filter(|value| value.get() != "null"));
    let id = id
        .map_or(Ok(RequestId::NONE), id_of)
        .map_err(|why| ParseRequestError { id: RequestId::NONE, why })?;
    let request = read
        .map_err(|why| format!("this is no request: {why}"))
        .and_then(|()| request_of(&RequestMembers { kind, topic, since, data, base64 }));
    match request {
        Ok(request) => Ok((id, request)),
        Err(why) => Err(ParseRequestError { id, why }),
    }
}

fn id_of(value: &RawValue) -> Result<RequestId, String> {
    let name = match value.get().as_bytes()[..] {
        [b'"', ..] => text("id", value).map(|text| RequestIdValue::Text(text.into()))?,
        [b'-' | b'0'..=b'9', ..] => RequestIdValue::Number(value.get().into()),
        _ => return Err("id is a number or a text".into()),
    };
    if name.len() > MAX_ID {
        return Err(format!("id has at most {MAX_ID} bytes"));
    }
    Ok(RequestId::new(name))
}

fn request_of<'a>(raw: &RequestMembers<'a>) -> Result<ClientRequest<'a>, String> {
    let kind = text("type", raw.kind.ok_or("a request has a type")?)?;
    if kind == "ping" {
        return Ok(ClientRequest::Ping);
    }
    if !matches!(&*kind, "subscribe" | "unsubscribe" | "publish") {
        let quoted = &kind[..kind.floor_char_boundary(MAX_QUOTED)];
        return Err(format!("there is no type {quoted:?}: subscribe, unsubscribe, publish and ping are"));
    }
    let topic = text("topic", raw.topic.ok_or_else(|| format!("{kind} needs a topic"))?)?;
    match &*kind {
        "subscribe" => Ok(ClientRequest::Subscribe { topic, since: raw.since.map(position).transpose()? }),
        "unsubscribe" => Ok(ClientRequest::Unsubscribe { topic }),
        _ => match (raw.data, raw.base64) {
            (Some(data), None) => {
                Ok(ClientRequest::Publish { topic, data: RequestPayload::Text(text("data", data)?) })
            }
            (None, Some(base64)) => {
                let bytes = STANDARD.decode(&*text("base64", base64)?);
                let bytes = bytes.map_err(|error| format!("base64: {error}"))?;
                Ok(ClientRequest::Publish { topic, data: RequestPayload::Binary(bytes) })
            }
            _ => Err("publish needs either data or base64".into()),
        },
    }
}

fn text<'a>(name: &str, value: &'a RawValue) -> Result<Cow<'a, str>, String> {
    members::text(value).map_err(|why| format!("{name} {why}"))
}

/// Parses a position. A well-formed epoch that this server has not given is accepted, and counts as an epoch that has ended.
fn position(since: &RawValue) -> Result<Position, String> {
    let mut found = [None; 2];
    members::read(since.get(), ["offset", "epoch"], &mut found).map_err(|why| format!("since: {why}"))?;
    let [Some(offset), Some(epoch)] = found else {
        return Err("since has an offset and an epoch".into());
    };
    let whole = || format!("since.offset is a whole number from 0 to {}", u64::MAX);
    let offset = offset.get().parse().map_err(|_| whole())?;
    let epoch =
        text("since.epoch", epoch)?.parse::<Epoch>().map_err(|error| format!("since.epoch: {error}"))?;
    Ok(Position { offset, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> RequestId {
        RequestId::new(RequestIdValue::Number(number.to_string().into()))
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
                RequestId::NONE,
                ClientRequest::Subscribe { topic: "a".into(), since: None },
            ),
            (
                r#"{"since":{"epoch":"000000ab-3","offset":7},"more":[1],"id":7,"topic":"a\n","type":"subscribe"}"#,
                number(7),
                ClientRequest::Subscribe { topic: "a\n".into(), since: Some(Position { offset: 7, epoch }) },
            ),
            (
                r#"{"type":"unsubscribe","topic":"a","id":"x"}"#,
                RequestId::new(RequestIdValue::Text("x".into())),
                ClientRequest::Unsubscribe { topic: "a".into() },
            ),
            (
                r#"{"type":"publish","topic":"a","data":"hi"}"#,
                RequestId::NONE,
                ClientRequest::Publish { topic: "a".into(), data: RequestPayload::Text("hi".into()) },
            ),
            (
                r#"{"type":"publish","topic":"a","base64":"AAE="}"#,
                RequestId::NONE,
                ClientRequest::Publish { topic: "a".into(), data: RequestPayload::Binary(vec![0, 1]) },
            ),
            (r#"{"type":"ping","id":1}"#, number(1), ClientRequest::Ping),
        ];
        for (text, id, incoming) in cases {
            assert_eq!(parse(text), Ok((id, incoming)), "{text}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        for text in ["", "7", "[]", "{", r#"{"type":"ping","type":"ping"}"#] {
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
    }

    #[test]
    fn a_request_that_is_wrong_in_a_member_keeps_its_id() {
        for (text, about) in [
            (r#"{"type":"dance","id":5}"#, "dance"),
            (r#"{"type":7,"id":5}"#, "type is a text"),
            (r#"{"type":"subscribe","topic":5,"id":5}"#, "topic is a text"),
            (r#"{"type":"subscribe","topic":"\ud83d","id":5}"#, "surrogate"),
            (r#"{"type":"subscribe","topic":"a","since":7,"id":5}"#, "since: it is no JSON object"),
            (r#"{"type":"subscribe","topic":"a","since":{},"id":5}"#, "since has"),
            (
                r#"{"type":"subscribe","topic":"a","since":{"offset":"12","epoch":"1-1"},"id":5}"#,
                "whole number",
            ),
            (
                r#"{"type":"subscribe","topic":"a","since":{"offset":-1,"epoch":"1-1"},"id":5}"#,
                "whole number",
            ),
            (
                r#"{"type":"subscribe","topic":"a","since":{"offset":1.5,"epoch":"1-1"},"id":5}"#,
                "whole number",
            ),
            (r#"{"type":"subscribe","topic":"a","since":{"offset":1,"epoch":1},"id":5}"#, "since.epoch is"),
            (r#"{"type":"subscribe","topic":"a","since":{"offset":1,"epoch":"?"},"id":5}"#, "since.epoch:"),
            (
                r#"{"type":"publish","topic":"a","data":"\ude00","id":5}"#,
                "data is a text, which half a surrogate",
            ),
            (r#"{"type":"publish","topic":"a","data":{},"id":5}"#, "data is a text"),
            (r#"{"type":"publish","topic":"a","base64":1,"id":5}"#, "base64 is a text"),
            (r#"{"id":5,"type":"ping""#, "no JSON"),
            (r#"{"id":5,"type":"ping","x":"\q"}"#, "no JSON"),
            (r#"{"id":5,"type":"ping","type":"ping"}"#, "twice"),
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.id, number(5), "{text}");
            assert!(bad.why.contains(about), "{text}: {}", bad.why);
        }
    }

    #[test]
    fn what_is_not_needed_may_be_anything() {
        let text = r#"{"\ud800":["\ud800"],"since":5,"topic":[],"type":"ping","id":"\ud83d\ude00"}"#;
        assert_eq!(parse(text), Ok((RequestId::new(RequestIdValue::Text("😀".into())), ClientRequest::Ping)));
        let text = r#"{"type":"subscribe","topic":"a","since":null,"id":null,"data":null}"#;
        assert_eq!(
            parse(text),
            Ok((RequestId::NONE, ClientRequest::Subscribe { topic: "a".into(), since: None }))
        );
    }

    #[test]
    fn an_id_is_a_number_or_a_text_and_short() {
        for id in ["[[[[]]]]", "{\"a\":1}", "true", r#""\ud83d""#] {
            let bad = parse(&format!(r#"{{"type":"ping","id":{id}}}"#)).unwrap_err();
            assert_eq!(bad.id, RequestId::NONE);
            assert!(bad.why.starts_with("id is a"), "{id}: {}", bad.why);
        }
        for (longest, quote) in [("x".repeat(MAX_ID), "\""), ("7".repeat(MAX_ID), "")] {
            let request = |id: &str| format!(r#"{{"type":"ping","id":{quote}{id}{quote}}}"#);
            assert!(parse(&request(&longest)).is_ok());
            assert!(parse(&request(&(longest + "7"))).unwrap_err().why.contains("64 bytes"));
        }
    }

    #[test]
    fn an_error_repeats_a_few_bytes_of_what_was_sent() {
        let long = "\u{1}é".repeat(100_000);
        let json = serde_json::to_string(&long).unwrap();
        for request in [
            json.clone(),
            format!(r#"{{"type":{json}}}"#),
            format!(r#"{{"type":"publish","topic":{json}}}"#),
            format!(r#"{{"type":"publish","topic":"a","base64":{json}}}"#),
            format!(r#"{{"type":"ping","id":{json}}}"#),
            format!(r#"{{{json}:1"#),
        ] {
            assert!(why(&request).len() < 400, "{:.40}: {} bytes", request, why(&request).len());
        }
    }
}
