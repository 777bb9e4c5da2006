//! Limits of topics and subscriptions, at their edges.

use serde_json::json;
use throng::Message;
use throng::hub::{Answer, PublishError, Question};

use super::super::client::{Client, Got};
use super::{ask, start};

#[test]
fn a_client_has_so_many_subscriptions_and_no_more() {
    let running = start(|builder, config| {
        config.max_subscriptions = 3;
        builder
    });
    let mut client = running.speaker();
    for topic in ["a", "b", "c"] {
        assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": topic}))["type"], "subscribed");
    }
    let refused = ask(&mut client, &json!({"type": "subscribe", "topic": "d"}));
    assert_eq!(refused["code"], "too-many-subscriptions");
    assert_eq!(ask(&mut client, &json!({"type": "unsubscribe", "topic": "b"}))["type"], "unsubscribed");
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": "d"}))["type"], "subscribed");
    assert!(Client::ask(running.address, "/?topic=a&topic=b&topic=c", "").is_ok());
    let response = Client::ask(running.address, "/?topic=a&topic=b&topic=c&topic=d", "").err().unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert_eq!(running.hub.stats().refused_at_limit, 1);
    drop(client);
    running.is_empty();
}

#[test]
fn there_are_so_many_topics_and_no_more() {
    let running = start(|builder, config| {
        config.max_topics = 2;
        builder
    });
    let first = running.listener("a");
    running.has_subscribers("a", 1);
    running.publish("kept/b", "x");
    let answer = running.ask(Question::Publish { topic: "c", message: Message::Text("x") });
    assert_eq!(answer, [Answer::Refused(PublishError::TooManyTopics)]);
    let mut refused = running.listener("c");
    assert_eq!(refused.get(), Got::Close(1013));
    let mut speaker = running.speaker();
    assert_eq!(ask(&mut speaker, &json!({"type": "subscribe", "topic": "c"}))["code"], "too-many-topics");
    // Those that are there go on.
    assert_eq!(ask(&mut speaker, &json!({"type": "subscribe", "topic": "a"}))["type"], "subscribed");
    assert!(running.publish("a", "x").subscribers >= 1);
    drop((first, speaker));
    running.has_subscribers("a", 0);
    assert_eq!(running.publish("c", "now there is room").offset, 1);
}

#[test]
fn names_have_a_length() {
    let running = start(|builder, _| builder);
    let mut client = running.speaker();
    let long = "x".repeat(255);
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": long}))["type"], "subscribed");
    let longer = "x".repeat(256);
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": longer}))["code"], "bad-topic");
}
