//! Who may use the admin port, and how much of it.

use std::io::Write;

use super::super::command::{read_answer, run};
use super::super::configuration::Scratch;
use super::Program;

const TOKEN: &str = "0123456789abcdef";
const BEARER: &str = "Authorization: Bearer 0123456789abcdef\r\n";

#[test]
fn a_hub_has_an_admin_port_unless_it_is_off_and_others_only_if_asked() {
    assert!(Program::hub(None, &[]).ready["admin"].is_string());
    assert!(Program::start(None, &["--admin", "off"]).ready["admin"].is_null());
    assert!(Program::echo(None, &[]).ready["admin"].is_null());
    let program = Program::echo(None, &["--admin", "127.0.0.1:0"]);
    assert_eq!(program.get("/health"), "ok\n");
    let stats: serde_json::Value = serde_json::from_str(&program.get("/stats")).unwrap();
    assert!(stats["hub"].is_null() && stats["total"].is_object() && stats["workers"].is_array());
    assert_eq!(program.ask("POST /publish/a", "", b"x").status, 404);
}

#[test]
fn with_a_token_everything_but_health_needs_it() {
    let file = Scratch::new("access-token", &format!("{TOKEN}\n"));
    // With a token it may be reached from elsewhere: by any name, and by web pages that know it.
    let program = Program::start(None, &["--admin", "0.0.0.0:0", "--admin-token-file", file.path()]);
    assert_eq!(program.get("/health"), "ok\n");
    for (what, body) in [
        ("GET /stats", ""),
        ("GET /metrics", ""),
        ("POST /publish/a", "x"),
        ("GET /topics", ""),
        ("GET /nothing", ""),
    ] {
        for fields in [
            "",
            "Authorization: Bearer 0123456789abcdeg\r\n",
            "Authorization: Basic 0123456789abcdef\r\n",
            "Authorization: 0123456789abcdef\r\n",
            &format!("{BEARER}{BEARER}"),
        ] {
            let answered = program.ask(what, fields, body.as_bytes());
            assert_eq!((answered.status, &*answered.code()), (401, "unauthorized"), "{what} {fields}");
            assert!(answered.head.to_lowercase().contains("www-authenticate: bearer"), "{}", answered.head);
        }
    }
    let fields = format!("{BEARER}Host: throng.example.org\r\nOrigin: https://example.org\r\n");
    assert_eq!(program.ask("GET /stats", &fields, b"").status, 200);
    assert_eq!(program.ask("POST /publish/a", &fields, b"x").status, 200);
}

#[test]
fn without_a_token_no_web_page_gets_in() {
    let program = Program::hub(None, &[]);
    for fields in [
        "Origin: http://localhost\r\n",
        "Origin: null\r\n",
        "Host: throng.example.org\r\n",
        "Host: throng.example.org:9190\r\n",
        "Host: localhost.example.org\r\n",
        // What a page loads as an image, a script, a frame or a link bears no Origin.
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
        "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
        "Referer: http://localhost:3000/\r\n",
    ] {
        let answered = program.ask("POST /publish/a", fields, b"x");
        assert_eq!((answered.status, &*answered.code()), (403, "forbidden"), "{fields}");
        for what in [
            "GET /stats",
            "GET /metrics",
            "GET /topics?limit=1000",
            "GET /slowest",
            "HEAD /topics",
            "GET /none",
        ] {
            assert_eq!(program.ask(what, fields, b"").status, 403, "{what} {fields}");
        }
    }
    let elsewhere = program.ask("GET http://throng.example.org/stats", "", b"");
    assert_eq!(elsewhere.status, 403, "{elsewhere:?}");
    for fields in [
        "Host: 127.0.0.1:9190\r\n",
        "Host: [::1]\r\n",
        "Host: LOCALHOST:80\r\n",
        "User-Agent: Prometheus/3.0.0\r\nAccept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
        // From an address bar, and what is loaded again from there.
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-User: ?1\r\n",
        "Sec-Fetch-Site: same-origin\r\nReferer: http://localhost/topics\r\n",
    ] {
        let answered = program.ask("GET /stats", fields, b"");
        assert_eq!(answered.status, 200, "{fields}");
        let head = answered.head.to_lowercase();
        for field in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(field), "{head}");
        }
    }
    let stats: serde_json::Value = serde_json::from_str(&program.get("/stats")).unwrap();
    assert_eq!(stats["hub"]["published"], 0);
}

#[test]
fn a_token_that_is_none_or_given_twice_is_78() {
    let listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-token-file"];
    let short = Scratch::new("access-short", "0123456789abcde\n");
    for (path, reason) in
        [(short.path(), "the admin token must be 16"), ("/nowhere", "cannot read the admin token")]
    {
        let (code, said) = run(None, &[&listen[..], &[path]].concat());
        assert_eq!(code, 78, "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn errors_are_json() {
    let program = Program::hub(None, &[]);
    for (what, status, code) in [
        ("GET /", 404, "not-found"),
        ("GET /topics/none", 404, "not-found"),
        ("GET /publish", 405, "method-not-allowed"),
        ("POST /stats", 405, "method-not-allowed"),
        ("POST /publish/%ff", 400, "bad-topic"),
        ("POST /publish/a%00", 400, "bad-topic"),
        ("POST /publish/a+b", 400, "bad-topic"),
        ("GET /topics/a%23", 400, "bad-topic"),
        ("POST /publish/..", 400, "bad-topic"),
        ("POST /publish/a/%2E/b", 400, "bad-topic"),
        ("POST /publish", 400, "bad-request"),
        ("GET /topics?limit=0", 400, "bad-request"),
        ("GET /topics?limit=1001", 400, "bad-request"),
        ("GET /topics?limit=x", 400, "bad-request"),
        ("GET /topics?prefixes=x", 400, "bad-request"),
        ("GET /slowest?limit=0", 400, "bad-request"),
        ("GET /slowest?limit=1001", 400, "bad-request"),
    ] {
        let answered = program.ask(what, "", b"");
        assert_eq!((answered.status, &*answered.code()), (status, code), "{what}");
        assert!(answered.json()["error"]["message"].is_string(), "{what}");
        assert!(answered.head.to_lowercase().contains("content-type: application/json"), "{}", answered.head);
    }
    let head = program.ask("DELETE /topics", "", b"").head.to_lowercase();
    assert!(head.contains("allow: get"), "{head}");
    let head = program.ask("OPTIONS /publish/a", "", b"").head.to_lowercase();
    assert!(head.starts_with("http/1.1 405 ") && head.contains("allow: post"), "{head}");
}

/// Both ports ask for one Host and for a target of ASCII.
#[test]
fn targets_and_hosts_have_the_form_that_the_serving_port_asks_for() {
    let program = Program::hub(None, &[]);
    for (request, status) in [
        ("POST /publish/Zürich HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("GET /topics?prefix=ü HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("GET /health HTTP/1.1\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: \r\n", 400),
        ("GET /health HTTP/1.0\r\nHost: a b\r\n", 400),
        ("GET /stats HTTP/1.1\r\nHost: localhost@example.org\r\n", 400),
        ("GET /stats HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("POST /publish/Z%C3%BCrich HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET http://localhost/stats HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("HEAD /stats HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("HEAD /none HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 204),
    ] {
        let mut stream = program.dial_admin();
        stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let answered = read_answer(&mut stream);
        assert_eq!(answered.status, status, "{request}");
        let has_body = !request.starts_with("HEAD") && status != 204;
        assert_eq!(!answered.body.is_empty(), has_body, "{request}");
        if status == 400 {
            assert_eq!(answered.code(), "bad-request");
        }
        assert_eq!(answered.head.to_lowercase().contains("allow: get, head, post, options"), status == 204);
    }
    for target in ["/topics/Zürich", "/?topic=ü"] {
        let refused = super::super::client::Client::ask(program.address, target, "").err().unwrap();
        assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("percent-encode"), "{refused}");
    }
}

#[test]
fn a_head_of_64_kib_or_100_fields_is_answered_and_twice_as_much_or_one_more_is_431() {
    let program = Program::hub(None, &[]);
    // Beside those of every request here: Host, Content-Length and Connection.
    let fields = |count: usize| "X: y\r\n".repeat(count - 3);
    let long = |len: usize| format!("X: {}\r\n", "y".repeat(len));
    for (fields, status) in
        [(fields(100), 200), (fields(101), 431), (long(63 * 1024), 200), (long(128 * 1024), 431)]
    {
        let answered = program.ask("GET /health", &fields, b"");
        assert_eq!(answered.status, status, "{} bytes", fields.len());
    }
}

#[test]
fn a_body_has_a_limit() {
    let program = Program::hub(None, &[]);
    let most = 2 * 1024 * 1024;
    let batch = r#"{"messages":[]}"#;
    let padded = |length: usize| batch.to_owned() + &" ".repeat(length - batch.len());
    assert_eq!(program.ask("POST /publish", "", padded(most).as_bytes()).status, 200);
    let answered = program.ask("POST /publish", "", padded(most + 1).as_bytes());
    assert_eq!((answered.status, &*answered.code()), (413, "too-large"));
    // Nor without a length.
    let mut stream = program.dial_admin();
    let head = "POST /publish/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..=most / 0x10000 {
        stream.write_all(&chunk).unwrap();
    }
    let answered = read_answer(&mut stream);
    assert_eq!((answered.status, &*answered.code()), (413, "too-large"));
}

#[test]
fn a_message_has_the_limit_of_a_clients() {
    let program = Program::hub(None, &["--max-message", "3MiB", "--outbox-limit", "8MiB"]);
    let most = 3 * 1024 * 1024;
    for what in ["POST /publish/a", "POST /broadcast"] {
        assert_eq!(program.ask(what, "", &vec![b'x'; most]).status, 200, "{what}");
        let answered = program.ask(what, "", &vec![b'x'; most + 1]);
        assert_eq!((answered.status, &*answered.code()), (413, "too-large"), "{what}");
    }
    let program = Program::hub(None, &["--max-message", "125"]);
    let batch = |length: usize| format!(r#"{{"messages":[{{"topic":"a","data":"{:<length$}"}}]}}"#, "");
    assert!(program.ask("POST /publish", "", batch(125).as_bytes()).json()["results"][0]["offset"] == 1);
    let answered = program.ask("POST /publish", "", batch(126).as_bytes());
    assert_eq!(answered.json()["results"][0]["error"]["code"], "too-large");
    assert_eq!(program.ask("POST /publish/a", "", &[b'x'; 126]).code(), "too-large");
}
