//! What topics, histories and messages on their way cost in memory, and that it comes back: seen from outside, on a program.

use serde_json::{Value, json};

use super::super::client::{Client, eventually};
use super::super::command::Program;
use super::super::configuration::Scratch;
use super::{ask, hear};

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
    const TOPICS: usize = 50_000;
    let program = program("seconds.toml", "history = { messages = 1, bytes = '1KiB', age = '2s' }", &[]);
    publish_to(&program, 0..1_000, 100);
    eventually("the first are gone", || hub_count(&program, "topics") == 0);
    let before = program.memory();
    (0..TOPICS / 1_000).for_each(|batch| publish_to(&program, batch * 1_000..(batch + 1) * 1_000, 100));
    let at_most = program.memory();
    assert!(at_most > before + 8 * 1024, "{before} KiB before, {at_most} KiB with histories");
    // Two seconds of age, and a round of five, whose clock is that of a test of its own; then the looks of who gives memory back.
    eventually("they are gone", || hub_count(&program, "topics") == 0);
    eventually("memory is back", || program.memory() <= before + 3 * 1024);
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

/// A client that speaks `throng.v1`.
fn speaker(program: &Program) -> Client {
    let mut client = Client::ask(program.address, "/", "throng.v1").unwrap();
    assert_eq!(hear(&mut client)["type"], "welcome");
    client
}

#[test]
fn the_limit_of_histories_holds_whatever_is_made_of_their_messages() {
    const MESSAGES: u64 = 60;
    // Each byte of it is six in JSON.
    const LEN: usize = 100_000;
    let rules = "history = { messages = 1000, bytes = '1GiB', age = '1h' }";
    let program = program("forms.toml", rules, &["--history-limit", "8MiB"]);
    let text = "\x01".repeat(LEN);
    let mut live = speaker(&program);
    let subscribed = ask(&mut live, &json!({"type": "subscribe", "topic": "a"}));
    let before = program.memory();
    for number in 1..=MESSAGES {
        assert_eq!(program.ask("POST /publish/a", "", text.as_bytes()).status, 200);
        assert_eq!(hear(&mut live)["offset"], number);
    }
    assert_eq!(hub_count(&program, "history_bytes"), MESSAGES * LEN as u64);
    // What is under way, in outboxes and in the allocator, comes on top.
    let limit = before + (8 + 12) * 1024;
    let after = program.memory();
    assert!(after < limit, "{before} KiB before, {after} KiB when all have it");
    let since = json!({"offset": 0, "epoch": subscribed["epoch"]});
    for _ in 0..2 {
        let mut back = speaker(&program);
        let told = ask(&mut back, &json!({"type": "subscribe", "topic": "a", "since": since}));
        assert_eq!(told["recovered"], true, "{told}");
        for number in 1..=MESSAGES {
            assert_eq!(hear(&mut back)["offset"], number);
        }
        let after = program.memory();
        assert!(after < limit, "{before} KiB before, {after} KiB when one has come back");
        assert!(hub_count(&program, "history_forms_bytes") <= 2 << 20);
    }
}

#[test]
fn messages_under_way_are_bounded_in_bytes() {
    const MESSAGES: usize = 200;
    let program =
        program("way.toml", "publish = 'anyone'", &["--queue-limit", "8MiB", "--outbox-limit", "2MiB"]);
    let mut readers: Vec<Client> =
        (0..60).map(|_| Client::ask(program.address, "/topics/hot", "").unwrap()).collect();
    eventually("they are there", || hub_count(&program, "subscriptions") == 60);
    let before = program.memory();
    let data = "x".repeat(900_000);
    let mut client = speaker(&program);
    let mut most = 0;
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let publish = json!({"type": "publish", "topic": "hot", "data": data, "id": 1}).to_string();
            (0..MESSAGES).for_each(|_| client.say(&publish));
            (0..MESSAGES).filter(|_| hear(&mut client)["type"] == "published").count()
        });
        while !publishing.is_finished() {
            assert_eq!(program.ask("POST /publish/cool", "", b"x").status, 200);
            let queued = hub_count(&program, "queued_bytes");
            assert!(queued <= 8 << 20, "{queued} bytes are under way");
            most = most.max(program.memory());
        }
        assert!(publishing.join().unwrap() > 0);
    });
    // Those who do not read have two messages each waiting, mostly the same ones, and are closed.
    assert!(most < before + 96 * 1024, "{before} KiB before, {most} KiB at most");
    readers.clear();
    eventually("nothing is under way", || hub_count(&program, "queued_messages") == 0);
}
