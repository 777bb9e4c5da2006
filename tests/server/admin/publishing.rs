//! Publishing, and looking at topics, over the admin port.

use serde_json::{Value, json};

use super::super::client::{Client, Got, PATIENCE, eventually};
use super::super::configuration::Scratch;
use super::Program;

/// A listener that has arrived at its topic's home.
fn listener(program: &Program, topic: &str) -> Client {
    let before = subscribers(program, topic);
    let client = Client::ask(program.address, &format!("/topics/{topic}"), "").unwrap();
    eventually("the home knows of it", || subscribers(program, topic) == before + 1);
    client
}

fn subscribers(program: &Program, topic: &str) -> u64 {
    let answered = program.ask(&format!("GET /topics/{topic}"), "", b"");
    if answered.status == 404 { 0 } else { answered.json()["subscribers"].as_u64().unwrap() }
}

fn publish(program: &Program, topic: &str, body: &str) -> Value {
    let answered = program.ask(&format!("POST /publish/{topic}"), "", body.as_bytes());
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()
}

#[test]
fn a_message_reaches_its_subscribers_and_the_answer_says_its_place() {
    let program = Program::hub(None, &["--workers", "3"]);
    let mut clients: Vec<Client> = (0..5).map(|_| listener(&program, "news/a%20b")).collect();
    for (offset, text) in [(1, "hello"), (2, "")] {
        let answer = publish(&program, "news/a%20b", text);
        let expected = json!({
            "topic": "news/a b", "offset": offset, "epoch": answer["epoch"], "subscribers": 5
        });
        assert_eq!(answer, expected);
        for client in &mut clients {
            assert_eq!(client.get_answering(), text.into());
        }
    }
    let fields = "Content-Type: Application/Octet-Stream; x=y\r\n";
    assert_eq!(program.ask("POST /publish/news/a%20b", fields, b"\xff\0").status, 200);
    assert_eq!(clients[0].get_answering(), Got::Binary(vec![0xff, 0]));
    let answered = program.ask("POST /publish/news/a%20b", "", b"\xff\0");
    assert_eq!((answered.status, &*answered.code()), (400, "bad-request"));
}

#[test]
fn a_batch_is_answered_message_by_message() {
    let program = Program::hub(None, &[]);
    let mut client = listener(&program, "b");
    let batch = json!({ "messages": [
        { "topic": "a", "data": "x" },
        { "topics": ["b", "bad#", "b"], "base64": "AAE=" },
        { "topic": "b", "data": "last" },
    ]});
    let answered =
        program.ask("POST /publish", "Content-Type: application/json\r\n", batch.to_string().as_bytes());
    assert_eq!(answered.status, 200, "{answered:?}");
    let results = answered.json()["results"].as_array().unwrap().clone();
    let places: Vec<_> =
        results.iter().map(|place| (place["topic"].as_str().unwrap(), place["offset"].as_u64())).collect();
    assert_eq!(places, [("a", Some(1)), ("b", Some(1)), ("bad#", None), ("b", Some(2)), ("b", Some(3))]);
    assert_eq!(results[2]["error"]["code"], "bad-topic");
    assert_eq!(results[1]["subscribers"], 1);
    for expected in [Got::Binary(vec![0, 1]), Got::Binary(vec![0, 1]), "last".into()] {
        assert_eq!(client.get_answering(), expected);
    }
    // What is wrong with the whole publishes nothing of it.
    let wrong = json!({ "messages": [{ "topic": "b", "data": "never" }, { "topic": "b" }]});
    let answered = program.ask("POST /publish", "", wrong.to_string().as_bytes());
    assert_eq!((answered.status, &*answered.code()), (400, "bad-request"));
    publish(&program, "b", "after");
    assert_eq!(client.get_answering(), "after".into());
}

#[test]
fn a_thousand_messages_fit_a_batch_and_keep_their_order() {
    let program = Program::hub(None, &["--workers", "2"]);
    let mut client = listener(&program, "many");
    let messages: Vec<Value> =
        (0..1000).map(|number| json!({ "topic": "many", "data": number.to_string() })).collect();
    let batch = json!({ "messages": messages });
    let answered = program.ask("POST /publish", "", batch.to_string().as_bytes());
    assert_eq!(answered.status, 200, "{answered:?}");
    let results = answered.json()["results"].as_array().unwrap().clone();
    let offsets: Vec<u64> = results.iter().map(|place| place["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, (1..=1000).collect::<Vec<u64>>());
    for number in 0..1000 {
        assert_eq!(client.get_answering(), number.to_string().as_str().into());
    }
}

#[test]
fn everybody_gets_a_broadcast() {
    let program = Program::hub(None, &["--workers", "2"]);
    let mut clients = [listener(&program, "a"), listener(&program, "b")];
    let answered = program.ask("POST /broadcast", "", b"to everybody");
    assert_eq!((answered.status, answered.json()), (200, json!({ "connections": 2 })));
    for client in &mut clients {
        assert_eq!(client.get_answering(), "to everybody".into());
    }
}

#[test]
fn topics_are_listed_in_the_order_of_their_names() {
    let text = "[[topics]]\nprefix = ''\nhistory = { messages = 10, bytes = '1MiB', age = '1h' }\n";
    let file = Scratch::new("listed.toml", text);
    let program = Program::hub(None, &["--workers", "3", "--config", file.path()]);
    for topic in ["b", "c/2", "a", "c/1", "c/3"] {
        publish(&program, topic, "hello");
    }
    let list = |query: &str| -> (Vec<String>, bool) {
        let list: Value = serde_json::from_str(&program.get(&format!("/topics{query}"))).unwrap();
        let topics = list["topics"].as_array().unwrap().iter();
        let names = topics.map(|topic| topic["topic"].as_str().unwrap().to_owned()).collect();
        (names, list["more"].as_bool().unwrap())
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(list(""), (names(&["a", "b", "c/1", "c/2", "c/3"]), false));
    assert_eq!(list("?prefix=c%2F"), (names(&["c/1", "c/2", "c/3"]), false));
    assert_eq!(list("?limit=2"), (names(&["a", "b"]), true));
    assert_eq!(list("?limit=3&prefix=c"), (names(&["c/1", "c/2", "c/3"]), false));
    assert_eq!(list("?prefix=x"), (vec![], false));
    let topic: Value = serde_json::from_str(&program.get("/topics/c/1")).unwrap();
    let expected = json!({
        "topic": "c/1", "subscribers": 0, "offset": 1, "epoch": topic["epoch"],
        "history": { "messages": 1, "bytes": 5 }
    });
    assert_eq!(topic, expected);
}

#[test]
fn topics_that_are_too_many_and_clients_that_read_too_slowly_are_told() {
    // What nobody gets and nothing keeps needs no topic.
    let text = "[[topics]]\nprefix = 'b'\nhistory = { messages = 10, bytes = '1MiB', age = '1h' }\n";
    let file = Scratch::new("too-many.toml", text);
    let program =
        Program::hub(None, &["--max-topics", "1", "--outbox-limit", "64MiB", "--config", file.path()]);
    let _slow = listener(&program, "a");
    let answered = program.ask("POST /publish/b", "", b"x");
    assert_eq!((answered.status, &*answered.code()), (503, "too-many-topics"));
    assert_eq!(program.get("/slowest"), r#"{"slowest":[]}"#);
    // More than the kernel takes for somebody who does not read.
    let message = "x".repeat(1 << 20);
    let waits = (0..32).any(|_| {
        publish(&program, "a", &message);
        program.get("/slowest") != r#"{"slowest":[]}"#
    });
    assert!(waits, "32 MiB are in nobody's socket");
    publish(&program, "a", &message);
    let slowest: Value = serde_json::from_str(&program.get("/slowest?limit=1")).unwrap();
    let bytes = slowest["slowest"][0]["bytes"].as_u64().unwrap();
    assert!(bytes >= 1 << 20, "{slowest}");
    assert!(slowest["slowest"][0]["connection"].as_str().unwrap().split('-').count() == 3, "{slowest}");
    assert!(program.count("backlog_bytes") >= 1 << 20);
}

/// The workers' answers come to the control thread from other descriptor tables than its own.
#[test]
fn answers_come_from_workers_with_private_tables() {
    let program = Program::hub(Some(600), &["--max-connections", "2000"]);
    assert_eq!(program.ready["private_tables"], true);
    let mut clients: Vec<Client> = (0..40).map(|_| listener(&program, "t")).collect();
    // Far more answers than there are workers, from all of them at once.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let program = &program;
            scope.spawn(move || {
                for number in 0..50 {
                    assert_eq!(publish(program, &format!("other/{thread}/{number}"), "x")["offset"], 1);
                }
            });
        }
    });
    assert_eq!(publish(&program, "t", "hello")["subscribers"], 40);
    let broadcast = program.ask("POST /broadcast", "", b"all");
    assert_eq!(broadcast.json()["connections"], 40);
    for client in &mut clients {
        client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = [client.get_answering(), client.get_answering()];
        got.sort_by_key(|got| format!("{got:?}"));
        // Nothing but what was sent: no byte of a waker's in anybody's socket.
        assert_eq!(got, ["all".into(), "hello".into()]);
    }
    assert_eq!(program.count("bugs"), 0);
}
