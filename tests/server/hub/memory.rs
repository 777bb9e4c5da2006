//! What topics, histories and messages on their way cost in memory, and that it comes back: seen from outside, on a program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::client::eventually;
use super::super::command::Program;
use super::super::configuration::Scratch;

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
