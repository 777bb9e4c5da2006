//! Messages on their way: how many there may be, and that what is taken arrives.

use std::sync::mpsc::channel;

use serde_json::json;
use throng::Message;
use throng::hub::PublishError;

use super::super::client::{Client, Got, PATIENCE, eventually};
use super::{Running, hear, start};

const LEN: usize = 10_000;

fn text(number: usize) -> String {
    format!("{number:>LEN$}")
}

/// Room for 25 such messages.
fn narrow() -> Running {
    start(|builder, config| {
        config.queue_limit = 256 << 10;
        // Nobody reads while others publish.
        builder.outbox_limit(32 << 20).ping_interval(None)
    })
}

/// Reads so many texts, and returns the numbers in them.
fn numbers(client: &mut Client, count: usize) -> Vec<usize> {
    let number = |_| match client.get_answering() {
        Got::Text(text) => text.trim().parse().unwrap(),
        got => panic!("{got:?}"),
    };
    (0..count).map(number).collect()
}

#[test]
fn what_is_announced_arrives_and_what_is_refused_is_told() {
    let running = narrow();
    let mut readers = [running.listener("a"), running.listener("a")];
    running.has_subscribers("a", 2);
    let (to, answers) = channel();
    let mut taken = Vec::new();
    for number in 0..1_000 {
        let to = to.clone();
        let answers = move |connections| to.send(connections).unwrap();
        match running.hub.publisher().broadcast(Message::Text(&text(number)), answers) {
            Ok(workers) => taken.push((number, workers)),
            Err(error) => assert_eq!(error, PublishError::Busy),
        }
        let queued = running.hub.stats().queued_bytes;
        assert!(queued <= 256 << 10, "{queued} bytes are under way");
    }
    let refused = 1_000 - taken.len() as u64;
    assert_eq!(running.hub.stats().refused_busy, refused);
    for _ in 0..taken.iter().map(|(_, workers)| workers).sum() {
        let answer = answers.recv_timeout(PATIENCE).unwrap();
        assert!(answer.is_ok(), "{answer:?}");
    }
    let expected: Vec<usize> = taken.iter().map(|(number, _)| *number).collect();
    for reader in &mut readers {
        assert_eq!(numbers(reader, expected.len()), expected);
    }
    eventually("nothing is under way", || running.hub.stats().queued_messages == 0);
}

#[test]
fn a_client_that_publishes_without_end_does_not_keep_the_operator_out() {
    let running = narrow();
    let mut readers: Vec<Client> = (0..20).map(|_| running.listener("open/hot")).collect();
    let mut other = running.listener("cool");
    running.has_subscribers("open/hot", 20);
    running.has_subscribers("cool", 1);
    let mut client = running.speaker();
    let publish = |number: usize| {
        json!({"type": "publish", "topic": "open/hot", "data": text(number), "id": number}).to_string()
    };
    std::thread::scope(|scope| {
        let hot = scope.spawn(|| {
            (0..400).for_each(|number| client.say(&publish(number)));
            let answers: Vec<_> = (0..400).map(|_| hear(&mut client)).collect();
            let is_told = |answer: &&serde_json::Value| {
                assert!(answer["type"] == "published" || answer["code"] == "busy", "{answer}");
                answer["type"] == "published"
            };
            // The answers of homes and those that a client gets at once come in no order.
            let mut taken: Vec<_> =
                answers.iter().filter(is_told).map(|answer| answer["id"].as_u64().unwrap()).collect();
            taken.sort_unstable();
            taken
        });
        for number in 0..100 {
            // One at a time: whatever clients do, there is room for it.
            assert!(running.publish("cool", &number.to_string()).offset > 0);
            let queued = running.hub.stats().queued_bytes;
            assert!(queued <= 256 << 10, "{queued} bytes are under way");
        }
        assert_eq!(numbers(&mut other, 100), (0..100).collect::<Vec<_>>());
        let taken = hot.join().unwrap();
        for reader in &mut readers {
            let got: Vec<u64> = numbers(reader, taken.len()).iter().map(|number| *number as u64).collect();
            assert_eq!(got, taken, "what was taken arrives, in order");
        }
    });
    assert_eq!(running.hub.stats().refused_busy, 0);
    eventually("nothing is under way", || running.hub.stats().queued_messages == 0);
}
