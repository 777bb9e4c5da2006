//! Coming back to a topic.

use serde_json::{Value, json};

use throng::hub::{HistoryRule, Rule, Rules};

use super::super::client::{Client, eventually};
use super::{Running, ask, hear, position, rule, start};

fn subscribe(client: &mut Client, topic: &str, since: &Value) -> Value {
    ask(client, &json!({"type": "subscribe", "topic": topic, "since": since}))
}

/// The offsets of the next messages.
fn offsets(client: &mut Client, count: usize) -> Vec<u64> {
    (0..count).map(|_| hear(client)["offset"].as_u64().unwrap()).collect()
}

fn publish(running: &Running, topic: &str, range: std::ops::RangeInclusive<u64>) -> Value {
    let mut epoch = json!(null);
    for offset in range {
        let published = running.publish(topic, &format!("message {offset}"));
        assert_eq!(published.offset, offset);
        epoch = json!(published.epoch.to_string());
    }
    epoch
}

#[test]
fn who_comes_back_gets_what_was_missed() {
    let running = start(|builder, _| builder);
    let epoch = publish(&running, "kept/a", 1..=5);
    let mut client = running.speaker();
    let subscribed = subscribe(&mut client, "kept/a", &json!({"offset": 2, "epoch": epoch}));
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(2), &json!(true)));
    assert_eq!(offsets(&mut client, 3), [3, 4, 5]);
    publish(&running, "kept/a", 6..=6);
    assert_eq!(
        hear(&mut client),
        json!({"type": "message", "topic": "kept/a", "offset": 6, "data": "message 6"})
    );
    // One who has missed nothing.
    let mut other = running.speaker();
    let subscribed = subscribe(&mut other, "kept/a", &json!({"offset": 6, "epoch": epoch}));
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(6), &json!(true)));
    publish(&running, "kept/a", 7..=7);
    assert_eq!((offsets(&mut client, 1), offsets(&mut other, 1)), (vec![7], vec![7]));
}

#[test]
fn who_comes_back_too_late_is_told_and_gets_what_there_is() {
    let running = start(|builder, _| builder);
    let epoch = publish(&running, "kept/a", 1..=15);
    let mut client = running.speaker();
    let subscribed = subscribe(&mut client, "kept/a", &json!({"offset": 4, "epoch": epoch}));
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(5), &json!(false)));
    assert_eq!(offsets(&mut client, 10), (6..=15).collect::<Vec<_>>());
    assert_eq!((running.hub.stats().gaps, running.hub.stats().recovered), (1, 0));
    // Just in time.
    let mut other = running.speaker();
    let subscribed = subscribe(&mut other, "kept/a", &json!({"offset": 5, "epoch": epoch}));
    assert_eq!(subscribed["recovered"], json!(true));
    assert_eq!(offsets(&mut other, 10), (6..=15).collect::<Vec<_>>());
}

#[test]
fn another_epoch_is_a_gap_and_so_is_a_future_that_never_came() {
    let running = start(|builder, _| builder);
    let epoch = publish(&running, "kept/a", 1..=3);
    for since in [json!({"offset": 2, "epoch": "0-0"}), json!({"offset": 4, "epoch": epoch})] {
        let mut client = running.speaker();
        let subscribed = subscribe(&mut client, "kept/a", &since);
        assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(0), &json!(false)), "{since}");
        assert_eq!(&subscribed["epoch"], &epoch);
        assert_eq!(offsets(&mut client, 3), [1, 2, 3]);
    }
    // Without a history.
    let mut client = running.speaker();
    let first = ask(&mut client, &json!({"type": "subscribe", "topic": "b"}));
    let now = position(&first);
    running.publish("b", "x");
    assert_eq!(offsets(&mut client, 1), [1]);
    let mut other = running.speaker();
    let since = json!({"offset": now.offset, "epoch": now.epoch.to_string()});
    let subscribed = subscribe(&mut other, "b", &since);
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(1), &json!(false)));
}

#[test]
fn a_quiet_topic_is_the_same_for_who_comes_back_soon() {
    let running = start(|builder, _| builder);
    let mut client = running.speaker();
    let at = position(&ask(&mut client, &json!({"type": "subscribe", "topic": "kept/quiet"})));
    drop(client);
    running.has_subscribers("kept/quiet", 0);
    let mut client = running.speaker();
    let since = json!({"offset": at.offset, "epoch": at.epoch.to_string()});
    let subscribed = subscribe(&mut client, "kept/quiet", &since);
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(0), &json!(true)));
    publish(&running, "kept/quiet", 1..=1);
    assert_eq!(offsets(&mut client, 1), [1]);
    // Where nothing is kept, that of which there was nothing is the same, too; what was published meanwhile is missed.
    for (messages, recovered) in [(0, true), (1, false)] {
        let mut other = running.speaker();
        let at = position(&ask(&mut other, &json!({"type": "subscribe", "topic": "passing"})));
        drop(other);
        running.has_subscribers("passing", 0);
        publish(&running, "passing", 1..=messages);
        let since = json!({"offset": at.offset, "epoch": at.epoch.to_string()});
        let subscribed = subscribe(&mut client, "passing", &since);
        assert_eq!(subscribed["recovered"], json!(recovered), "{messages} messages");
        ask(&mut client, &json!({"type": "unsubscribe", "topic": "passing"}));
    }
}

#[test]
fn a_topic_with_an_age_goes_when_it_has_passed() {
    let age = std::time::Duration::from_millis(300);
    let running = start(|builder, config| {
        let history = HistoryRule { messages: 10, bytes: 1 << 20, age };
        config.rules = Rules::new(vec![Rule { history: Some(history), ..rule("") }]).unwrap();
        builder
    });
    drop(running.listener("a"));
    running.publish("b", "x");
    eventually("both are gone", || running.hub.stats().topics == 0);
    assert_eq!(running.hub.stats().history_messages, 0);
}

#[test]
fn much_is_replayed_in_pieces_with_live_messages_behind_it() {
    let running = start(|builder, _| builder);
    let epoch = publish(&running, "long/a", 1..=500);
    let mut client = running.speaker();
    let subscribed = subscribe(&mut client, "long/a", &json!({"offset": 3, "epoch": epoch}));
    assert_eq!((&subscribed["offset"], &subscribed["recovered"]), (&json!(3), &json!(true)));
    // These come while it is being given the others.
    publish(&running, "long/a", 501..=700);
    assert_eq!(offsets(&mut client, 697), (4..=700).collect::<Vec<_>>());
    running.has_subscribers("long/a", 1);
    publish(&running, "long/a", 701..=702);
    assert_eq!(offsets(&mut client, 2), [701, 702]);
    // One that leaves in the middle of it.
    let mut other = running.speaker();
    subscribe(&mut other, "long/a", &json!({"offset": 1, "epoch": epoch}));
    drop((client, other));
    running.has_subscribers("long/a", 0);
    running.is_empty();
}

#[test]
fn clients_that_are_cut_off_at_random_see_every_message_once() {
    // As many as there is time for: RESUME_MESSAGES=100000 takes a while.
    let messages: u64 = std::env::var("RESUME_MESSAGES").map_or(4_000, |number| number.parse().unwrap());
    let running = start(|builder, _| builder);
    let mut publisher = running.speaker();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..6_u64)
            .map(|seed| {
                let running = &running;
                scope.spawn(move || follow(running, seed, messages))
            })
            .collect();
        running.has_subscribers("long/a", 6);
        for offset in 1..=messages {
            let text = offset.to_string();
            let published = ask(
                &mut publisher,
                &json!({"type": "publish", "topic": "long/a", "data": text, "id": offset}),
            );
            assert_eq!(published["offset"], json!(offset));
        }
        let cuts: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(cuts > 20, "{cuts} cuts are too few to show anything");
    });
    drop(publisher);
    running.is_empty();
}

/// Reads to the last message, cutting the connection off now and then, and returns how often. A gap that was told of is none that
/// was hidden; with a thousand messages kept there may be some where the machine is slow.
fn follow(running: &Running, seed: u64, last: u64) -> u64 {
    let (mut cuts, mut random) = (0, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = running.speaker();
    let mut at = position(&ask(&mut client, &json!({"type": "subscribe", "topic": "long/a"})));
    let epoch = at.epoch.to_string();
    while at.offset < last {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if random.is_multiple_of(200) {
            client = running.speaker();
            cuts += 1;
            let subscribed = subscribe(&mut client, "long/a", &json!({"offset": at.offset, "epoch": epoch}));
            let from = position(&subscribed);
            assert_eq!(from.epoch, at.epoch);
            assert_eq!(from.offset == at.offset, subscribed["recovered"] == json!(true));
            at.offset = from.offset;
            continue;
        }
        let message = hear(&mut client);
        if message["type"] == "subscribed" {
            // It fell behind what is kept while it was given what it had missed.
            assert_eq!(message["recovered"], json!(false));
            at.offset = position(&message).offset;
            continue;
        }
        assert_eq!(message["offset"], json!(at.offset + 1));
        assert_eq!(message["data"], json!((at.offset + 1).to_string()));
        at.offset += 1;
    }
    cuts
}
