//! What a published body is, a text or bytes, which its declared type decides.

use serde_json::json;

use super::super::client::{Client, Got, eventually};
use super::Program;

fn listener(program: &Program) -> Client {
    let client = Client::ask(program.address, "/topics/a", "").unwrap();
    eventually("the home knows of it", || program.ask("GET /topics/a", "", b"").status == 200);
    client
}

#[test]
fn the_declared_type_decides_and_not_the_bytes() {
    let program = Program::hub(None, &[]);
    let mut client = listener(&program);
    for (kind, is_text) in [
        ("", true),
        ("Content-Type: application/x-www-form-urlencoded\r\n", true),
        ("Content-Type: text/plain\r\n", true),
        ("Content-Type: text/plain;charset=UTF-8\r\nContent-Encoding: identity\r\n", true),
        ("Content-Type: application/json\r\n", true),
        ("Content-Type: application/cloudevents+json; charset=utf-8\r\n", true),
        ("Content-Type: application/soap+xml\r\n", true),
        ("Content-Type: application/octet-stream\r\n", false),
        ("Content-Type: image/png\r\n", false),
        ("Content-Type: application/msgpack\r\n", false),
    ] {
        for what in ["POST /publish/a", "POST /broadcast"] {
            assert_eq!(program.ask(what, kind, b"[1]").status, 200, "{what} {kind}");
            let expected = if is_text { "[1]".into() } else { Got::Binary(b"[1]".to_vec()) };
            assert_eq!(client.get_answering(), expected, "{what} {kind}");
            // A text that is none is refused, and never becomes binary.
            let answered = program.ask(what, kind, b"\xff\0");
            if is_text {
                assert_eq!((answered.status, &*answered.code()), (400, "bad-request"), "{what} {kind}");
            } else {
                assert_eq!(client.get_answering(), Got::Binary(vec![0xff, 0]), "{what} {kind}");
            }
        }
    }
}

#[test]
fn what_subscribers_could_not_read_is_refused_with_its_reason() {
    let program = Program::hub(None, &[]);
    let mut client = listener(&program);
    for (fields, status, code) in [
        ("Content-Type: text/plain; charset=iso-8859-1\r\n", 415, "unsupported-type"),
        ("Content-Type: multipart/form-data; boundary=x\r\n", 415, "unsupported-type"),
        ("Content-Encoding: gzip\r\n", 415, "unsupported-encoding"),
        ("Content-Type: application/octet-stream\r\nContent-Encoding: br\r\n", 415, "unsupported-encoding"),
        ("Content-Type: text/plain\r\nContent-Type: image/png\r\n", 400, "bad-request"),
        ("Content-Type: text\r\n", 400, "bad-request"),
    ] {
        for what in ["POST /publish/a", "POST /broadcast", "POST /publish"] {
            let answered = program.ask(what, fields, br#"{"messages":[]}"#);
            assert_eq!((answered.status, &*answered.code()), (status, code), "{what} {fields}");
            assert!(answered.json()["error"]["message"].is_string());
            // RFC 9110, section 12.5.3.
            let names_codings = answered.head.to_lowercase().contains("accept-encoding: identity");
            assert_eq!(names_codings, code == "unsupported-encoding", "{}", answered.head);
        }
    }
    assert_eq!(program.ask("POST /publish/a", "", b"last").status, 200);
    assert_eq!(client.get_answering(), "last".into());
}

#[test]
fn a_batch_is_json_by_any_name_but_a_binary_one() {
    let program = Program::hub(None, &[]);
    let batch = json!({ "messages": [{ "topic": "a", "data": "x" }] }).to_string();
    for kind in
        ["", "Content-Type: application/json\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"]
    {
        assert_eq!(program.ask("POST /publish", kind, batch.as_bytes()).status, 200, "{kind}");
    }
    let answered =
        program.ask("POST /publish", "Content-Type: application/octet-stream\r\n", batch.as_bytes());
    assert_eq!((answered.status, &*answered.code()), (415, "unsupported-type"));
}
