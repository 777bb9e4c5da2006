//! Subscriptions that come and go in large numbers.

use serde_json::json;

use super::super::client::{Client, Got, eventually};
use super::super::command::Program;

/// Subscriptions begun and ended, in all: CHURN_OPERATIONS=1000000 takes half a minute.
fn operations() -> usize {
    std::env::var("CHURN_OPERATIONS").map_or(40_000, |number| number.parse().unwrap())
}

/// Requests sent before their answers are read.
const AHEAD: usize = 50;
/// Topics that the clients choose from; most have one subscriber at a time.
const TOPICS: usize = 20_000;

/// Subscribes to random topics, or leaves them, and has none at the end.
fn come_and_go(client: &mut Client, seed: u64, operations: usize) {
    let mut held: Vec<usize> = Vec::new();
    let mut random = seed;
    for _ in 0..operations / AHEAD {
        let mut expected = Vec::new();
        for _ in 0..AHEAD {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = usize::try_from(random >> 33).unwrap();
            let leave = held.len() == 100 || (!held.is_empty() && drawn.is_multiple_of(2));
            let (kind, topic) = if leave {
                ("unsubscribe", held.swap_remove(drawn % held.len()))
            } else {
                let topic = drawn % TOPICS;
                if held.contains(&topic) {
                    continue;
                }
                held.push(topic);
                ("subscribe", topic)
            };
            client.say(&json!({"type": kind, "topic": format!("t/{topic}"), "id": topic}).to_string());
            expected.push(topic);
        }
        // Subscriptions may be confirmed, or cancelled, after later requests were answered.
        let mut answered: Vec<usize> = expected.iter().map(|_| answer(client)).collect();
        answered.sort_unstable();
        expected.sort_unstable();
        assert_eq!(answered, expected);
    }
    for topic in held {
        client.say(&json!({"type": "unsubscribe", "topic": format!("t/{topic}"), "id": topic}).to_string());
        assert_eq!(answer(client), topic);
    }
}

fn answer(client: &mut Client) -> usize {
    match client.get_answering() {
        Got::Text(text) => {
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(answer["type"] != "error" || answer["code"] == "cancelled", "{answer}");
            usize::try_from(answer["id"].as_u64().unwrap()).unwrap()
        }
        got => panic!("{got:?}"),
    }
}

#[test]
fn churn_leaves_no_memory_behind() {
    const CLIENTS: usize = 4;
    let program = Program::hub(None, &["--workers", "2"]);
    let count = |counter: &str| {
        let stats: serde_json::Value = serde_json::from_str(&program.get("/stats")).unwrap();
        stats["hub"][counter].as_u64().unwrap()
    };
    let churn = |operations: usize| {
        std::thread::scope(|scope| {
            for seed in 0..CLIENTS {
                let mut client = Client::ask(program.address, "/", "throng.v1").unwrap();
                assert_eq!(super::hear(&mut client)["type"], "welcome");
                scope.spawn(move || come_and_go(&mut client, seed as u64, operations / CLIENTS));
            }
        });
        eventually("all have left", || program.count("sockets") == 0);
        eventually("nothing is left", || {
            ["topics", "local_topics", "subscriptions", "waiting"].map(count) == [0; 4]
        });
    };
    // What the first ones bring about once and for all is none of the others'.
    churn(4_000);
    let before = program.memory();
    churn(operations());
    // The allocator's holes, of which it gives back what it can.
    let allowed = before + 1024;
    eventually(&format!("memory is back to {before} KiB"), || program.memory() <= allowed);
    println!("{} operations: {before} KiB before, {} KiB after", operations(), program.memory());
}
