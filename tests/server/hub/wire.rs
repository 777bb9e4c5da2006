//! `throng.v1` on the wire: what comes first and last, how long a payload may be, and where it is spoken.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use throng::Message;
use throng::ws::Opcode;

use super::super::client::{Client, Got};
use super::super::compressed::{self, OFFER};
use super::{Running, ask, hear, start};

/// The payload's limit, and the most that a frame may have for it.
const MAX: usize = 100_000;

fn with_limit() -> Running {
    start(|builder, _| builder.max_message(MAX))
}

#[test]
fn the_first_message_says_how_long_a_payload_may_be() {
    let running = with_limit();
    let mut client = Client::ask(running.address, "/topics/a", "throng.v1").unwrap();
    assert_eq!(hear(&mut client), json!({"type": "welcome", "max_message": MAX}));
    assert_eq!(hear(&mut client)["type"], "subscribed");
    // Who subscribes by URL gets messages, and nothing else.
    let mut listener = running.listener("a");
    running.has_subscribers("a", 2);
    running.publish("a", "first");
    assert_eq!(listener.get(), "first".into());
}

#[test]
fn the_limit_is_the_payloads_whatever_it_becomes_on_the_wire() {
    let running = with_limit();
    let mut client = running.speaker();
    let mut listener = running.listener("open/a");
    running.has_subscribers("open/a", 1);
    let text = |len| "\u{1}".repeat(len);
    let bytes = |len| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![7; len]);
    for (name, payload) in [("data", text(MAX)), ("base64", bytes(MAX))] {
        let sent = ask(&mut client, &json!({"type": "publish", "topic": "open/a", name: payload, "id": 1}));
        assert_eq!((&sent["type"], &sent["id"]), (&json!("published"), &json!(1)), "{name}");
    }
    assert_eq!(listener.get(), text(MAX).as_str().into());
    assert_eq!(listener.get(), Got::Binary(vec![7; MAX]));
    for (name, payload) in [("data", text(MAX + 1)), ("base64", bytes(MAX + 1))] {
        let sent = ask(&mut client, &json!({"type": "publish", "topic": "open/a", name: payload, "id": "x"}));
        assert_eq!((&sent["code"], &sent["id"]), (&json!("too-large"), &json!("x")), "{name}");
    }
    // A topic and an id that are all escapes have room beside the longest payload.
    let topic = format!("open/{}", "é".repeat(125));
    let escaped = topic.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect::<String>();
    let id = "\\u0001".repeat(64);
    let payload = "\\u0001".repeat(MAX);
    client.say(&format!(r#"{{"type":"publish","topic":"{escaped}","data":"{payload}","id":"{id}"}}"#));
    let sent = hear(&mut client);
    assert_eq!(
        (&sent["type"], &sent["topic"], &sent["id"]),
        (&json!("published"), &json!(topic), &json!("\u{1}".repeat(64)))
    );
}

#[test]
fn a_frame_has_a_limit_and_that_of_others_is_the_messages() {
    let running = with_limit();
    let most = throng::budget::enveloped(MAX);
    let mut client = running.speaker();
    let blank = |len: usize| format!(r#"{{"type":"ping"{}}}"#, " ".repeat(len - 15));
    client.say(&blank(most));
    assert_eq!(hear(&mut client), json!({"type": "pong"}));
    client.say(&blank(most + 1));
    assert_eq!(client.get(), Got::Close(1009));
    // A message in parts, of which the first alone is not too long.
    let mut client = running.speaker();
    client.frame(false, Opcode::Text, blank(most).as_bytes());
    client.frame(true, Opcode::Continuation, b" ");
    assert_eq!(client.get(), Got::Close(1009));
    let mut listener = running.listener("a");
    listener.say(&"x".repeat(MAX + 1));
    assert_eq!(listener.get(), Got::Close(1009));
}

#[test]
fn a_compressed_message_is_as_long_as_others() {
    let running = start(|builder, _| builder.max_message(MAX).compression(throng::Compression::Shared));
    let most = throng::budget::enveloped(MAX);
    for (len, is_taken) in [(most, true), (most + 1, false)] {
        let offer = format!("{OFFER}\r\nSec-WebSocket-Protocol: throng.v1");
        let (mut client, agreed) = compressed::open(running.address, &offer);
        assert!(agreed.is_some());
        assert!(compressed::next(&mut client).unwrap().0.starts_with(br#"{"type":"welcome""#));
        let request = format!(r#"{{"type":"ping"{}}}"#, " ".repeat(len - 15));
        client.write_all(&compressed::message(Opcode::Text, request.as_bytes())).unwrap();
        let answer = compressed::next(&mut client).map(|(answer, _)| answer);
        assert_eq!(answer, if is_taken { Ok(br#"{"type":"pong"}"#.to_vec()) } else { Err(1009) }, "{len}");
    }
}

#[test]
fn throng_v1_is_spoken_at_any_path() {
    let running = start(|builder, config| {
        config.topics_path = "/t/".parse().unwrap();
        builder
    });
    for target in ["/live", "/topics/a", "/t/", "/a/b?x=y"] {
        let mut client = Client::ask(running.address, target, "throng.v1").unwrap();
        assert_eq!(hear(&mut client)["type"], "welcome", "{target}");
        assert_eq!(ask(&mut client, &json!({"type": "ping"})), json!({"type": "pong"}), "{target}");
    }
    for target in ["/live?topic=a", "/t/a"] {
        let mut client = Client::ask(running.address, target, "throng.v1").unwrap();
        assert_eq!(hear(&mut client)["type"], "welcome", "{target}");
        assert_eq!(hear(&mut client)["topic"], "a", "{target}");
    }
    assert!(Client::ask(running.address, "/t/a", "").is_ok());
    let refused = Client::ask(running.address, "/topics/a", "").err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 404 ") && refused.contains("topics-path"), "{refused}");
}

#[test]
fn clients_are_told_when_to_come_back_before_the_server_ends() {
    let running = start(|builder, config| {
        config.reconnect_within = Duration::from_millis(12_345);
        builder
    });
    let mut clients: Vec<Client> = (0..5).map(|_| running.speaker()).collect();
    let mut listener = running.listener("a");
    running.has_subscribers("a", 1);
    running.hub.publisher().publish("a", Message::Text("last")).unwrap();
    assert_eq!(listener.get(), "last".into());
    running.server.drain(super::PATIENCE);
    for client in &mut clients {
        assert_eq!(hear(client), json!({"type": "reconnect", "within": 12_345}));
        assert_eq!(client.get(), Got::Close(1001));
    }
    assert_eq!(listener.get(), Got::Close(1001));
}

#[test]
fn every_request_gets_its_id_back_whatever_else_is_wrong() {
    let running = start(|builder, _| builder);
    let mut client = running.speaker();
    for wrong in [
        r#"{"type":"subscribe","topic":"a","since":{"offset":"12","epoch":"1-1"},"id":7}"#,
        r#"{"type":"subscribe","topic":"a","since":{"offset":1.5,"epoch":"1-1"},"id":7}"#,
        r#"{"type":"subscribe","topic":5,"id":7}"#,
        r#"{"type":"publish","topic":"open/a","data":"\ud83d","id":7}"#,
        r#"{"type":"dance","id":7}"#,
        r#"{"id":7,"type":"ping""#,
    ] {
        client.say(wrong);
        let answer = hear(&mut client);
        assert_eq!((&answer["code"], &answer["id"]), (&json!("bad-request"), &json!(7)), "{wrong}");
    }
    // Without one that can be read there is an answer, too.
    client.say(r#"{"type":"ping","id":["#);
    assert_eq!(hear(&mut client)["code"], "bad-request");
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": "a", "id": 8}))["type"], "subscribed");
    running.publish("a", "heard");
    assert_eq!(hear(&mut client)["data"], "heard");
    assert_eq!(running.hub.stats().bad_requests, 7);
}

#[test]
fn an_endless_row_of_what_is_no_request_ends() {
    let running = start(|builder, _| builder);
    let most = usize::try_from(throng::budget::MAX_BAD_REQUESTS).unwrap();
    let mut client = running.speaker();
    for _ in 0..3 {
        (1..most).for_each(|_| client.say(""));
        client.say(r#"{"type":"ping"}"#);
        assert!((1..most).all(|_| hear(&mut client)["code"] == "bad-request"));
        assert_eq!(hear(&mut client)["type"], "pong");
    }
    (0..2 * most).for_each(|_| client.say(""));
    assert!((0..most).all(|_| hear(&mut client)["code"] == "bad-request"));
    assert_eq!(client.get(), Got::Close(1008));
    assert_eq!(ask(&mut running.speaker(), &json!({"type": "ping"}))["type"], "pong");
    running.is_empty();
}
