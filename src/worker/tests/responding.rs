//! Tests of plain HTTP requests, and of requests that follow on the same connection.

use super::rig::{Rig, Seen, decode, limits, millis, play, request, secs};
use crate::simulation::connection::Ending;
use crate::worker::{Limits, State};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
const NONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const LAST: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbye\n";

/// Returns the states of all connections.
fn states(rig: &Rig) -> Vec<State> {
    rig.worker.connections().map(|connection| connection.state).collect()
}

#[test]
fn an_answered_connection_takes_another_request() {
    play(limits(), |rig| {
        let client = rig.connect();
        for (path, response) in [("/ok", OK), ("/none", NONE), ("/ok", OK)] {
            rig.send(client, get(path).as_bytes());
            rig.settle();
            assert_eq!(rig.response(client), response);
            assert_eq!(states(rig), [State::KeptAlive]);
            assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0);
        }
        assert_eq!(rig.counters().responses.get(), 3);
        rig.send(client, request("/").as_bytes());
        rig.send_text(client, "hi");
        rig.settle();
        let mut got = rig.world().client_takes(client);
        let head = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!(got.starts_with(b"HTTP/1.1 101 "));
        assert_eq!(decode(&mut got[head..]), [Seen::Text("hi".into())]);
    });
}

#[test]
fn requests_behind_each_other_are_answered_in_order_wherever_they_are_cut() {
    let all = [get("/ok"), get("/none"), format!("\r\n{}", get("/ok")), get("/last"), get("/ok")].concat();
    let answers = [OK, NONE, OK, LAST].concat();
    play(limits(), |rig| {
        for cut in 0..=all.len() {
            let client = rig.connect();
            rig.send(client, &all.as_bytes()[..cut]);
            rig.settle();
            rig.send(client, &all.as_bytes()[cut..]);
            rig.settle();
            assert_eq!(rig.response(client), answers, "cut at {cut}");
            assert_eq!(rig.ending(client), Ending::Clean);
            rig.world().client_ends(client);
            rig.settle();
        }
        assert_eq!(rig.world().held(), 0);
        let whole = rig.connect();
        for byte in all.bytes() {
            rig.send(whole, &[byte]);
            rig.settle();
        }
        assert_eq!(rig.response(whole), answers);
    });
}

#[test]
fn the_end_comes_where_either_side_wants_it() {
    play(limits(), |rig| {
        for request in [
            get("/last"),
            "GET /last HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n".into(),
            "GET /ok HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n".into(),
        ] {
            let client = rig.connect();
            rig.send(client, request.as_bytes());
            rig.settle();
            let response = rig.response(client);
            assert!(response.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"), "{response}");
            assert_eq!(rig.ending(client), Ending::Clean);
        }
        assert_eq!((rig.counters().responses.get(), rig.counters().refused_requests.get()), (3, 0));
    });
}

#[test]
fn head_gets_what_get_gets_without_the_body() {
    play(limits(), |rig| {
        let client = rig.connect();
        for path in ["/ok", "/none", "/ok"] {
            rig.send(client, get(path).as_bytes());
            rig.send(client, get(path).replacen("GET", "HEAD", 1).as_bytes());
            rig.settle();
            let both = rig.response(client);
            let head_len = both.find("\r\n\r\n").unwrap() + 4;
            let head = both[..head_len].to_owned();
            assert!(both.ends_with(&head) && both.len() == 2 * head_len + if path == "/ok" { 3 } else { 0 });
        }
    });
}

#[test]
fn other_methods_reach_the_handler_unless_they_bring_a_body() {
    play(limits(), |rig| {
        let client = rig.connect();
        for length in ["", "Content-Length: 0\r\n", "Content-Length: 00\r\nContent-Length: 0\r\n"] {
            rig.send(client, format!("POST /none HTTP/1.1\r\nHost: h\r\n{length}\r\n").as_bytes());
            rig.settle();
            assert_eq!(rig.response(client), NONE);
        }
        for (method, fields, status) in [
            ("POST", "Content-Length: 5\r\n", 413),
            ("PUT", "Transfer-Encoding: chunked\r\n", 413),
            ("GET", "Content-Length: 5\r\n", 413),
            ("HEAD", "Transfer-Encoding: chunked\r\n", 413),
            ("POST", "Content-Length: 0\r\nContent-Length: 5\r\n", 413),
            ("POST", "Content-Length: five\r\n", 400),
            ("POST", "Content-Length: -0\r\n", 400),
            ("POST", "Content-Length:\r\n", 400),
            ("GET", "Host: other\r\n", 400),
            ("DELETE", "Host: other\r\n", 400),
        ] {
            let client = rig.connect();
            let request = format!("{method} /ok HTTP/1.1\r\nHost: h\r\n{fields}\r\nabcde{}", get("/ok"));
            rig.send(client, request.as_bytes());
            rig.settle();
            let response = rig.response(client);
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{method}: {response}");
            assert_eq!(response.matches("HTTP/1.1 ").count(), 1, "{response}");
            assert!(response.contains("\r\nConnection: close\r\n"));
            assert_eq!(rig.ending(client), Ending::Clean);
        }
    });
}

#[test]
fn a_refusal_of_the_handlers_ends_the_connection_and_counts() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, [get("/ok"), get("/json"), get("/ok")].concat().as_bytes());
        rig.settle();
        let refusal = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{}";
        assert_eq!(rig.response(client), [OK, refusal].concat());
        assert_eq!(rig.ending(client), Ending::Clean);
        assert_eq!((rig.counters().responses.get(), rig.counters().refused_requests.get()), (1, 1));
    });
}

#[test]
fn each_request_has_the_time_of_a_handshake_and_a_pause_is_no_timeout() {
    play(limits(), |rig| {
        let (idle, slow) = (rig.connect(), rig.connect());
        for client in [idle, slow] {
            rig.run_for(secs(4));
            rig.send(client, get("/ok").as_bytes());
            rig.settle();
        }
        // The deadline is ten seconds after the responses, which were sent at 4 and 8 seconds.
        rig.run_for(millis(5_900));
        rig.send(slow, b"GET / HT");
        rig.settle();
        rig.run_for(millis(200));
        assert_eq!(rig.world().held(), 1);
        assert_eq!(rig.ending(idle), Ending::Clean);
        assert_eq!(rig.counters().handshake_timeouts.get(), 0);
        // The next deadline is ten seconds after the first byte of the next request, which was sent at 13.9 seconds.
        rig.run_for(millis(9_700));
        assert_eq!(rig.world().held(), 1);
        rig.run_for(millis(300));
        assert_eq!((rig.world().held(), rig.counters().handshake_timeouts.get()), (0, 1));
    });
}

#[test]
fn a_flood_of_requests_has_its_turn_among_the_others_and_is_answered_to_the_end() {
    const MANY: usize = 2_000;
    play(limits(), |rig| {
        let (flood, other) = (rig.connect(), rig.connect());
        rig.send(flood, get("/ok").repeat(MANY).as_bytes());
        rig.iterate();
        rig.iterate();
        let answered = rig.counters().responses.get();
        assert!(answered < 100, "{answered} at once");
        rig.send(other, get("/ok").as_bytes());
        rig.iterate();
        assert_eq!(rig.response(other), OK);
        rig.settle();
        assert_eq!(rig.response(flood), OK.repeat(MANY));
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn without_buffers_what_waits_behind_an_answer_is_told_to_come_back() {
    let limits = Limits { buffers: 300, ..limits() };
    play(limits, |rig| {
        let client = rig.connect();
        rig.send(client, get("/ok").repeat(2_000).as_bytes());
        rig.settle();
        let answers = rig.response(client);
        assert!(answers.starts_with(OK) && answers.contains("HTTP/1.1 503 "));
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn who_does_not_read_its_answers_is_not_read_from() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.world().set_room(client, 1_000);
        rig.send(client, get("/big?100000").repeat(20).as_bytes());
        rig.settle();
        assert!(rig.counters().responses.get() < 20, "all are answered at once");
        assert!(rig.worker.sessions.streams.pool.used() < 1 << 20);
        // The client reads nothing, and the deadline of the next request passes.
        rig.run_for(secs(30));
        assert_eq!((rig.world().held(), rig.counters().handshake_timeouts.get()), (0, 1));
    });
}

#[test]
fn a_response_that_no_outbox_holds_is_our_fault() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, get(&format!("/big?{}", limits().outbox)).as_bytes());
        rig.settle();
        assert!(
            rig.response(client).starts_with("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n")
        );
    });
}

#[test]
fn at_the_end_of_the_server_a_pause_between_requests_is_over() {
    play(limits(), |rig| {
        let (kept, busy) = (rig.connect(), rig.connect());
        rig.send(kept, get("/ok").as_bytes());
        rig.send(busy, get("/ok").as_bytes());
        rig.settle();
        rig.send(busy, b"GET /ok HTTP/1.1\r\n");
        rig.settle();
        let _ = (rig.response(kept), rig.response(busy));
        rig.handle.shared.drain(secs(5));
        rig.settle();
        assert_eq!((rig.response(kept), rig.ending(kept)), (String::new(), Ending::Clean));
        assert!(rig.response(busy).starts_with("HTTP/1.1 503 "));
    });
}

#[test]
fn over_the_limit_plain_requests_are_answered_once() {
    let limits = Limits { server_connections: 1, ..limits() };
    play(limits, |rig| {
        rig.open();
        let client = rig.connect();
        rig.send(client, get("/ok").repeat(2).as_bytes());
        rig.settle();
        assert_eq!(rig.response(client), OK.replacen("\r\n", "\r\nConnection: close\r\n", 1));
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

/// A handler that wraps the hub's and does not repeat its `ENVELOPES`: the worker panicked.
#[test]
fn a_handler_that_envelopes_and_has_not_said_so_opens_no_connection() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, request("/enveloped").as_bytes());
        rig.settle();
        let response = rig.response(client);
        assert!(
            response.starts_with("HTTP/1.1 500 ") && response.contains("Handler::ENVELOPES"),
            "{response}"
        );
        assert_eq!((rig.counters().opened.get(), rig.ending(client)), (0, Ending::Clean));
    });
}
