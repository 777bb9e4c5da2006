//! Long messages, and much that was missed, for clients that read: nobody is closed for what he takes in at his pace.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use throng::hub::{HistoryRule, PublishError, Rule, Rules};
use throng::{Message, SlowPolicy};

use super::super::client::{Client, Got, PATIENCE};
use super::{Running, ask, hear, rule, start};

const POLICIES: [SlowPolicy; 4] =
    [SlowPolicy::Close, SlowPolicy::DropNewest, SlowPolicy::DropOldest, SlowPolicy::Conflate];

/// A server with the default limits, which keeps much of everything.
fn keeping(slow: SlowPolicy) -> Running {
    start(|builder, config| {
        let history = HistoryRule { messages: 1_000, bytes: 64 << 20, age: PATIENCE * 10 };
        config.rules =
            Rules::new(vec![Rule { history: Some(history), slow: Some(slow), ..rule("") }]).unwrap();
        builder
    })
}

/// What becomes six times as long in JSON.
fn controls(len: usize, last: u8) -> String {
    let mut text = "\u{1}".repeat(len - 1);
    text.push(char::from(last));
    text
}

#[test]
fn the_longest_message_reaches_who_reads_in_every_form() {
    const MAX: usize = 1 << 20;
    for slow in POLICIES {
        let running = keeping(slow);
        let (mut speaker, mut listener) = (running.speaker(), running.listener("a"));
        assert_eq!(ask(&mut speaker, &json!({"type": "subscribe", "topic": "a"}))["type"], "subscribed");
        running.has_subscribers("a", 2);
        let publisher = running.hub.publisher();
        // Two in one iteration, of which the second finds the first before it.
        let texts = [b'a', b'b'].map(|last| controls(MAX, last));
        let mut batch = publisher.batch();
        for text in &texts {
            batch.publish("a", Message::Text(text), None).unwrap();
        }
        drop(batch);
        for (text, offset) in texts.iter().zip(1..) {
            let heard = hear(&mut speaker);
            assert_eq!(heard["offset"], offset, "{slow:?}");
            assert!(heard["data"] == json!(text), "{slow:?}");
            assert!(listener.get_answering() == Got::Text(text.clone()), "{slow:?}");
        }
        // And who comes back for it.
        let mut other = running.speaker();
        let since = json!({"offset": 0, "epoch": "0-0"});
        let subscribed = ask(&mut other, &json!({"type": "subscribe", "topic": "a", "since": since}));
        assert_eq!(subscribed["recovered"], json!(false));
        for (text, offset) in texts.iter().zip(1..) {
            let heard = hear(&mut other);
            assert_eq!(heard["offset"], offset, "{slow:?}");
            assert!(heard["data"] == json!(text), "{slow:?}");
        }
        let stats = running.hub.stats();
        assert_eq!((stats.dropped_newest, stats.displaced, stats.undelivered), (0, 0, 0), "{slow:?}");
    }
}

#[test]
fn what_is_longer_than_a_message_may_be_is_refused_when_it_is_published() {
    let running = start(|builder, _| builder.max_message(1_000));
    let publisher = running.hub.publisher();
    assert_eq!(publisher.publish("a", Message::Binary(&[0; 1_000])), Ok(()));
    assert_eq!(publisher.publish("a", Message::Binary(&[0; 1_001])), Err(PublishError::TooLarge));
    let refused = publisher.broadcast(Message::Binary(&[0; 1_001]), |answer| panic!("{answer:?}"));
    assert_eq!(refused, Err(PublishError::TooLarge));
}

#[test]
fn many_topics_are_resumed_at_the_pace_of_who_reads() {
    const TOPICS: usize = 120;
    const EACH: u64 = 40;
    let running = keeping(SlowPolicy::Close);
    let publisher = running.hub.publisher();
    let name = |topic: usize| format!("t/{topic}");
    let text = controls(2_000, b'x');
    for topic in 0..TOPICS {
        (1..EACH).for_each(|_| publisher.publish(&name(topic), Message::Text(&text)).unwrap());
        running.publish(&name(topic), &text);
    }
    let mut client = running.speaker();
    for topic in 0..TOPICS {
        let since = json!({"offset": 0, "epoch": "0-0"});
        client.say(&json!({"type": "subscribe", "topic": name(topic), "since": since}).to_string());
    }
    // 58 MB, of which it takes none for a while, and then as much as there is.
    std::thread::sleep(Duration::from_millis(500));
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut turns = Vec::new();
    for _ in 0..TOPICS as u64 * (EACH + 1) {
        let told: Value = hear(&mut client);
        let topic = told["topic"].as_str().unwrap().to_owned();
        if told["type"] == "subscribed" {
            assert_eq!((&told["recovered"], &told["offset"]), (&json!(false), &json!(0)));
            assert_eq!(last.insert(topic, 0), None);
            continue;
        }
        let offset = told["offset"].as_u64().unwrap();
        assert_eq!(last.insert(topic.clone(), offset), Some(offset - 1), "{topic}");
        turns.push(topic);
    }
    assert!(last.len() == TOPICS && last.values().all(|&offset| offset == EACH));
    // Each in turn: none waits for another's end.
    let half: std::collections::BTreeSet<_> = turns[..turns.len() / 2].iter().collect();
    assert!(half.len() > TOPICS / 2, "{} topics in the first half", half.len());
    running.publish(&name(7), "live");
    assert_eq!(hear(&mut client)["data"], "live");
    drop(client);
    running.is_empty();
}

#[test]
fn answers_come_while_long_messages_wait() {
    let running = keeping(SlowPolicy::Close);
    let mut client = running.speaker();
    assert_eq!(ask(&mut client, &json!({"type": "subscribe", "topic": "a"}))["type"], "subscribed");
    for round in 0..20 {
        let text = controls(500_000, b'x');
        running.publish("a", &text);
        client.say(&json!({"type": "ping", "id": round}).to_string());
        let mut told = [hear(&mut client), hear(&mut client)];
        told.sort_by_key(|told| told["type"].as_str().unwrap().to_owned());
        assert_eq!((&told[0]["type"], &told[1]), (&json!("message"), &json!({"type": "pong", "id": round})));
    }
}

#[test]
fn who_does_not_read_long_messages_is_closed_all_the_same() {
    let running = keeping(SlowPolicy::Close);
    let mut client: Client = running.listener("a");
    running.has_subscribers("a", 1);
    let text = "x".repeat(1 << 20);
    let publisher = running.hub.publisher();
    for _ in 0..40 {
        while publisher.publish("a", Message::Text(&text)).is_err() {
            std::thread::yield_now();
        }
    }
    running.has_subscribers("a", 0);
    let closed = (0..41).find_map(|_| match client.get_answering() {
        Got::Close(code) => Some(code),
        _ => None,
    });
    assert_eq!(closed, Some(1008));
}
