//! What topics, histories and messages on their way cost in memory, and that it comes back: seen from outside, on a program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::client::{Client, eventually};
use super::super::command::Program;
use super::super::configuration::Scratch;
use super::hear;

/// A program with these rules for all topics, and options. Its file has the name of the test.
fn program(test: &str, rules: &str, options: &[&str]) -> Program {
    let file = Scratch::new(test, &format!("[[topics]]\nprefix = ''\n{rules}\n"));
    Program::hub(None, &[&["--workers", "2", "--config", file.path()], options].concat())
}

fn hub_count(program: &Program, counter: &str) -> u64 {
    let stats: Value = serde_json::from_str(&program.get("/stats")).unwrap();
    stats["hub"][counter].as_u64().expect("there is such a counter")
}

/// Publishes a text of so many bytes to each of the topics.
fn publish_to(program: &Program, topics: std::ops::Range<usize>, len: usize) {
    let topics: Vec<String> = topics.map(|number| format!("t/{number}")).collect();
    let batch = json!({"messages": [{"topics": topics, "data": "x".repeat(len)}]});
    let answered = program.ask("POST /publish", "", batch.to_string().as_bytes());
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(!answered.body.contains("error"), "{:.500}", answered.body);
}

#[test]
fn a_message_to_many_topics_is_there_once() {
    let rules = "history = { messages = 1, bytes = '1MiB', age = '1h' }";
    let program = program("once.toml", rules, &["--history-limit", "1GiB"]);
    publish_to(&program, 0..1_000, 10);
    let before = program.memory();
    publish_to(&program, 0..1_000, 900_000);
    let (after, kept) = (program.memory(), hub_count(&program, "history_bytes"));
    assert_eq!(kept, 900_000_000, "each topic has it");
    assert!(after < before + 16 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn memory_of_histories_comes_back_within_seconds() {
    const TOPICS: usize = 100_000;
    let program = program("seconds.toml", "history = { messages = 1, bytes = '1KiB', age = '2s' }", &[]);
    publish_to(&program, 0..1_000, 100);
    eventually("the first are gone", || hub_count(&program, "topics") == 0);
    let before = program.memory();
    (0..TOPICS / 1_000).for_each(|batch| publish_to(&program, batch * 1_000..(batch + 1) * 1_000, 100));
    let (published, at_most) = (Instant::now(), program.memory());
    assert!(at_most > before + 8 * 1024, "{before} KiB before, {at_most} KiB with histories");
    eventually("memory is back", || program.memory() <= before + 2 * 1024);
    // Two seconds of age, a round of five and the part of another in which they grew too old, and the looks of who gives memory back.
    let took = published.elapsed();
    assert!(took < Duration::from_secs(18), "it took {took:?}");
}

#[test]
fn reading_a_request_takes_a_small_multiple_of_its_bytes() {
    const LEN: usize = 12 << 20;
    let program = Program::hub(None, &["--workers", "1", "--max-message", "2MiB"]);
    let nested = |open: &str, close: &str| [open.repeat(LEN / 4), close.repeat(LEN / 4)].concat();
    let escaped = format!("\"{}\"", "\\u0001".repeat(LEN / 6));
    for (name, value) in [
        ("id", format!("[{}0]", "[],".repeat(LEN / 3))),
        ("id", nested("[", "]")),
        ("since", nested("[", "]")),
        ("topic", escaped.clone()),
        ("id", escaped),
    ] {
        let mut client = Client::ask(program.address, "/", "throng.v1").unwrap();
        assert_eq!(hear(&mut client)["type"], "welcome");
        let request = format!(r#"{{"type":"publish","{name}":{value}}}"#);
        let peak = program.peak(|| {
            client.say(&request);
            assert_eq!(hear(&mut client)["type"], "error", "{name}");
        });
        // The message in its buffer, which may be a third larger and was grown from a half as large one; and what is made of it.
        let most = 5 * (LEN as u64 >> 10);
        assert!(peak < most, "{name} {value:.10}: {peak} KiB more, {most} at most");
    }
}
