//! Subscriptions by URL and in band.

use serde_json::json;

use super::super::client::{Client, Got};
use super::{ask, hear, start};

/// `max-subscriptions` and `max-head` fit each other, as docs/HUB.md says.
#[test]
fn as_many_topics_as_a_client_may_have_fit_into_a_url() {
    let running = start(|builder, _| builder);
    let most = throng::hub::HubConfig::default().max_subscriptions;
    let topics: Vec<String> =
        (0..most).map(|number| format!("tenants/0123456789/{number:0>74}/events")).collect();
    assert!(topics.iter().all(|topic| topic.len() == 100));
    let query: Vec<String> = topics.iter().map(|topic| format!("topic={topic}")).collect();
    // As long as what a browser and two proxies add.
    let subprotocols = "x".repeat(1_500);
    let mut client = Client::ask(running.address, &format!("/?{}", query.join("&")), &subprotocols).unwrap();
    for topic in [&topics[0], &topics[most - 1]] {
        running.has_subscribers(topic, 1);
        running.publish(topic, "here");
        assert_eq!(client.get(), Got::from("here"));
    }
}

#[test]
fn who_subscribes_by_url_gets_the_bytes_that_are_published() {
    let running = start(|builder, _| builder);
    let mut clients: Vec<Client> = (0..8).map(|_| running.listener("news")).collect();
    running.has_subscribers("news", 8);
    let publisher = running.hub.publisher();
    for message in
        [throng::Message::Text("héllo"), throng::Message::Binary(&[0, 255]), throng::Message::Text("")]
    {
        publisher.publish("news", message).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.get(), "héllo".into());
        assert_eq!(client.get(), Got::Binary(vec![0, 255]));
        assert_eq!(client.get(), "".into());
    }
    drop(clients);
    running.has_subscribers("news", 0);
    running.is_empty();
}

#[test]
fn several_topics_can_be_in_one_url() {
    let running = start(|builder, _| builder);
    let mut client = Client::ask(running.address, "/topics/a%2Fb?topic=c+d&x=y&topic=a/b", "").unwrap();
    running.has_subscribers("a/b", 1);
    running.has_subscribers("c d", 1);
    running.publish("a/b", "one");
    running.publish("c d", "two");
    let mut got = [client.get(), client.get()];
    got.sort_by_key(|got| format!("{got:?}"));
    assert_eq!(got, ["one".into(), "two".into()]);
}

#[test]
fn wrong_urls_are_refused_with_a_status() {
    let running = start(|builder, _| builder);
    for (target, subprotocols, status) in [
        ("/", "", 400),
        ("/", "other", 400),
        ("/topics/", "", 400),
        ("/topics/a%23", "throng.v1", 400),
        ("/elsewhere", "", 404),
        ("/elsewhere", "other", 404),
        ("/topics/secret/x", "", 403),
        ("/?topic=secret/x", "throng.v1", 403),
    ] {
        let response = Client::ask(running.address, target, subprotocols).err().unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {response}");
    }
}

#[test]
fn listeners_only_listen() {
    let running = start(|builder, _| builder);
    let mut client = running.listener("a");
    client.say("");
    client.say("hello?");
    assert_eq!(client.get(), Got::Close(1008));
}

#[test]
fn throng_v1_subscribes_and_unsubscribes() {
    let running = start(|builder, _| builder);
    let mut client = running.speaker();
    let subscribed = ask(&mut client, &json!({"type": "subscribe", "topic": "a", "id": 1}));
    assert_eq!(
        (&subscribed["type"], &subscribed["topic"], &subscribed["id"]),
        (&json!("subscribed"), &json!("a"), &json!(1))
    );
    assert_eq!((&subscribed["offset"], subscribed.get("recovered")), (&json!(0), None));
    running.publish("a", "one");
    assert_eq!(hear(&mut client), json!({"type": "message", "topic": "a", "offset": 1, "data": "one"}));
    running.hub.publisher().publish("a", throng::Message::Binary(&[1, 2, 3])).unwrap();
    assert_eq!(hear(&mut client), json!({"type": "message", "topic": "a", "offset": 2, "base64": "AQID"}));
    let again = ask(&mut client, &json!({"type": "subscribe", "topic": "a", "id": "x"}));
    assert_eq!((&again["code"], &again["id"]), (&json!("already-subscribed"), &json!("x")));
    let left = ask(&mut client, &json!({"type": "unsubscribe", "topic": "a"}));
    assert_eq!(left, json!({"type": "unsubscribed", "topic": "a"}));
    let left = ask(&mut client, &json!({"type": "unsubscribe", "topic": "a"}));
    assert_eq!(left["code"], json!("not-subscribed"));
    running.has_subscribers("a", 0);
    running.publish("a", "to nobody");
    assert_eq!(ask(&mut client, &json!({"type": "ping", "id": 5})), json!({"type": "pong", "id": 5}));
    drop(client);
    running.is_empty();
}

#[test]
fn topics_in_the_url_of_a_speaker_are_subscribed_to() {
    let running = start(|builder, _| builder);
    let mut client = Client::ask(running.address, "/topics/a?topic=b", "throng.v1").unwrap();
    assert_eq!(hear(&mut client)["type"], "welcome");
    let mut topics = [hear(&mut client)["topic"].clone(), hear(&mut client)["topic"].clone()];
    topics.sort_by_key(ToString::to_string);
    assert_eq!(topics, [json!("a"), json!("b")]);
}

#[test]
fn wrong_requests_are_answered_and_the_connection_goes_on() {
    let running = start(|builder, _| builder);
    let mut client = running.speaker();
    for (request, code) in [
        (json!(7), "bad-request"),
        (json!({"type": "dance"}), "bad-request"),
        (json!({"type": "subscribe"}), "bad-request"),
        (json!({"type": "subscribe", "topic": "a#"}), "bad-topic"),
        (json!({"type": "publish", "topic": "", "data": ""}), "bad-topic"),
        (json!({"type": "subscribe", "topic": "secret/x"}), "forbidden"),
        (json!({"type": "publish", "topic": "a", "data": "x"}), "forbidden"),
    ] {
        let answer = ask(&mut client, &request);
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{request}");
        assert!(answer["message"].as_str().is_some_and(|why| !why.is_empty()));
    }
    // A topic that is too long for one is not said back.
    let long = ask(&mut client, &json!({"type": "unsubscribe", "topic": "\u{1}".repeat(100_000), "id": 1}));
    assert_eq!((&long["code"], &long["id"], long.get("topic")), (&json!("not-subscribed"), &json!(1), None));
    client.frame(true, throng::ws::Opcode::Binary, b"{}");
    assert_eq!(client.get(), Got::Close(1003));
}
