//! Limits of topics and subscriptions, at their edges.

use serde_json::json;
use throng::hub::{HistoryRule, PublishError, Rule, Rules};

use super::super::client::{Client, Got, eventually};
use super::{ask, hear, keep, rule, start};

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
    assert_eq!(running.try_publish("kept/c", "x"), Err(PublishError::TooManyTopics));
    assert_eq!(running.publish("c", "nobody listens, nothing keeps it: no room is needed").offset, 1);
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

/// Subscribes to so many topics that nobody else knows, one after the other, and leaves each.
fn visit(client: &mut Client, topics: usize) {
    for number in 0..topics {
        let topic = format!("kept/visited/{number}");
        assert_eq!(ask(client, &json!({"type": "subscribe", "topic": topic}))["type"], "subscribed");
        assert_eq!(ask(client, &json!({"type": "unsubscribe", "topic": topic}))["type"], "unsubscribed");
    }
}

#[test]
fn topics_that_nothing_was_published_to_do_not_stay() {
    let running = start(|builder, config| {
        config.max_topics = 20;
        builder
    });
    let mut client = running.speaker();
    visit(&mut client, 200);
    let mut other = running.speaker();
    assert_eq!(ask(&mut other, &json!({"type": "subscribe", "topic": "kept/new"}))["type"], "subscribed");
    running.has_subscribers("kept/new", 1);
    assert_eq!(running.publish("kept/new", "x").subscribers, 1);
    drop((client, other));
    eventually("only what was published to is left", || running.hub.stats().topics == 1);
    assert_eq!(running.hub.stats().refused_at_limit, 0);
}

#[test]
fn the_last_sixteenth_of_the_topics_is_for_the_operator() {
    let running = start(|builder, config| {
        config.max_topics = 32;
        builder
    });
    let mut client = running.speaker();
    let subscribe = |number: usize| json!({"type": "subscribe", "topic": format!("t/{number}")});
    for number in 0..30 {
        assert_eq!(ask(&mut client, &subscribe(number))["type"], "subscribed");
    }
    assert_eq!(ask(&mut client, &subscribe(30))["code"], "too-many-topics");
    let refused = ask(&mut client, &json!({"type": "publish", "topic": "long/a", "data": "x"}));
    assert_eq!(refused["code"], "too-many-topics");
    assert_eq!([running.publish("kept/a", "x").offset, running.publish("kept/b", "x").offset], [1, 1]);
    assert_eq!(running.try_publish("kept/c", "x"), Err(PublishError::TooManyTopics));
}

#[test]
fn topics_without_messages_give_way_when_there_are_too_many() {
    let running = start(|builder, config| {
        let history = |bytes| Some(HistoryRule { bytes, ..keep(10) });
        let rule = |prefix: &str, bytes| Rule { history: history(bytes), ..rule(prefix) };
        // Of `empty/` nothing is kept: its messages are longer. But its topics stay.
        config.rules = Rules::new(vec![rule("empty/", 1), rule("kept/", 1 << 20)]).unwrap();
        config.max_topics = 10;
        builder
    });
    let mut client = running.speaker();
    for number in 0..6 {
        let topic = format!("empty/{number}");
        assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": topic}))["type"], "subscribed");
        running.publish(&topic, "long");
        assert_eq!(hear(&mut client)["type"], "message");
        assert_eq!(ask(&mut client, &json!({"type": "unsubscribe", "topic": topic}))["type"], "unsubscribed");
    }
    (0..4).for_each(|number| _ = running.publish(&format!("kept/{number}"), "x"));
    // Those at the same home go at once, those at the other one when that looks through them.
    for number in 4..10 {
        let subscribe = json!({"type": "subscribe", "topic": format!("kept/{number}")});
        eventually("there is room", || ask(&mut client, &subscribe)["type"] == "subscribed");
    }
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": "a"}))["code"], "too-many-topics");
    (0..4).for_each(|number| assert_eq!(running.publish(&format!("kept/{number}"), "y").offset, 2));
}

#[test]
fn a_client_founds_so_many_topics_and_no_more() {
    let running = start(|builder, config| {
        config.max_client_topics = 3;
        builder
    });
    let [mut client, mut other] = [running.speaker(), running.speaker()];
    let publish = |topic: &str| json!({"type": "publish", "topic": topic, "data": "x", "id": 1});
    for topic in ["long/a", "long/b", "long/c", "long/a", "open/d", "open/e"] {
        assert_eq!(ask(&mut client, &publish(topic))["type"], "published", "{topic}");
    }
    // Having subscribed first makes no difference.
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": "long/d"}))["type"], "subscribed");
    let refused = ask(&mut client, &publish("long/d"));
    assert_eq!(refused["code"], "too-many-topics", "{refused}");
    assert_eq!(ask(&mut other, &publish("long/e"))["type"], "published");
    running.publish("long/f", "x");
    // Those of others, and what others have founded, are no matter of its.
    for topic in ["long/e", "long/f", "long/b"] {
        assert_eq!(ask(&mut client, &publish(topic))["type"], "published", "{topic}");
    }
    assert_eq!(running.hub.stats().refused_at_limit, 1);
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

/// The answers to them are longer than an outbox together.
#[test]
fn many_topics_in_a_url_are_all_answered_however_small_the_outbox_is() {
    const TOPICS: usize = 1_000;
    let running = start(|builder, config| {
        config.max_subscriptions = TOPICS;
        builder.workers(1).max_head(64 << 10).outbox_limit(64 << 10)
    });
    let topics: Vec<String> = (0..TOPICS).map(|number| format!("topic={number:0>50}")).collect();
    // The second finds that all are subscribed to on its worker.
    let clients = [(); 2].map(|()| {
        let target = format!("/?{}", topics.join("&"));
        let mut client = Client::ask(running.address, &target, "throng.v1").unwrap();
        assert_eq!(hear(&mut client)["type"], "welcome");
        (0..TOPICS).for_each(|_| assert_eq!(hear(&mut client)["type"], "subscribed"));
        assert_eq!(ask(&mut client, &json!({"type": "ping"}))["type"], "pong");
        client
    });
    running.has_subscribers(&format!("{:0>50}", 7), 2);
    drop(clients);
    running.is_empty();
}
