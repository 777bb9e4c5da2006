//! Tests of requests that the handler decides on later.

use super::rig::{Client, Rig, Seen, decode, limits, millis, play, request, secs};
use crate::budget::{DECISIONS, READ_BUFFER};
use crate::simulation::connection::Ending;
use crate::worker::{ConnIndex, Limits, State};
use crate::ws::Opcode;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn answer(resolved: usize) -> String {
    let body = format!("{resolved}\n");
    let len = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n{body}")
}

/// Makes a client with a request that waits for a decision.
fn defer_decision(rig: &mut Rig, bytes: &[u8]) -> Client {
    let client = rig.connect();
    rig.send(client, bytes);
    rig.settle();
    assert_eq!(rig.counters().decisions_pending.get(), 1);
    assert_eq!(rig.response(client), "");
    client
}

/// Returns the frames that follow a 101 response.
fn frames_behind(rig: &mut Rig, client: Client) -> Vec<Seen> {
    let mut got = rig.world().client_takes(client);
    let head = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(got.starts_with(b"HTTP/1.1 101 "), "{}", got.escape_ascii());
    decode(&mut got[head..])
}

fn states(rig: &Rig) -> Vec<State> {
    rig.worker.connections().map(|connection| connection.state).collect()
}

#[test]
fn the_resolved_value_is_kept_with_the_connection() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        assert_eq!(states(rig), [State::Deciding]);
        let decision = rig.decision();
        std::thread::spawn(move || decision.resolve(77)).join().unwrap();
        rig.settle();
        assert_eq!(frames_behind(rig, client), []);
        assert_eq!((states(rig), rig.counters().decisions_pending.get()), (vec![State::Open], 0));
        rig.turn(|connections| assert_eq!(connections.data_mut(ConnIndex::new(0)), Some(&mut 77)));
        rig.send_text(client, "hi");
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Text("hi".into())]);
        let streams = &rig.worker.sessions.streams;
        assert_eq!((streams.table.sides_len(), streams.pool.used()), (0, 0));
    });
}

#[test]
fn what_arrives_meanwhile_is_read_when_the_decision_has_come() {
    let frame = b"\x81\x82\0\0\0\0hi";
    let all = [request("/later").as_bytes(), frame].concat();
    play(limits(), |rig| {
        for cut in 0..=all.len() {
            let client = rig.connect();
            rig.send(client, &all[..cut]);
            rig.settle();
            rig.send(client, &all[cut..]);
            rig.settle();
            // No event follows this one.
            rig.send(client, frame);
            rig.settle();
            rig.decision().resolve(5);
            rig.settle();
            let hi = Seen::Text("hi".into());
            assert_eq!(frames_behind(rig, client), [hi.clone(), hi], "cut at {cut}");
            rig.send_frame(client, Opcode::Close, &[3, 232]);
            rig.settle();
        }
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn plain_requests_behind_each_other_are_decided_on_one_after_the_other() {
    play(limits(), |rig| {
        let client = defer_decision(rig, [get("/later"), get("/later"), get("/none")].concat().as_bytes());
        rig.decision().resolve(5);
        rig.settle();
        assert_eq!((rig.response(client), rig.counters().decisions_pending.get()), (answer(5), 1));
        rig.decision().resolve(6);
        rig.settle();
        assert_eq!(rig.response(client), answer(6) + "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(states(rig), [State::KeptAlive]);
        assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0);
    });
}

#[test]
fn an_answer_before_the_request_that_is_deferred_leaves_at_once() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, [get("/none"), get("/later")].concat().as_bytes());
        rig.settle();
        assert_eq!(rig.response(client), "HTTP/1.1 204 No Content\r\n\r\n");
        rig.decision().resolve(6);
        rig.settle();
        assert_eq!(rig.response(client), answer(6));
    });
}

#[test]
fn a_handler_may_send_and_close_when_it_has_decided() {
    play(limits(), |rig| {
        for (path, expected) in
            [("/greeted/later", Seen::Text("hello".into())), ("/turned-away/later", Seen::Close(1008))]
        {
            let client = defer_decision(rig, request(path).as_bytes());
            rig.decision().resolve(5);
            rig.settle();
            assert_eq!(frames_behind(rig, client), [expected]);
        }
    });
}

#[test]
fn a_late_refusal_is_read_whole_and_the_connection_ends_cleanly() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        rig.send(client, b"more, which nobody reads");
        rig.settle();
        rig.decision().resolve(0);
        rig.settle();
        let response = rig.response(client);
        assert!(response.starts_with("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"), "{response}");
        assert!(response.ends_with("{\"error\":1}"), "{response}");
        assert_eq!((rig.ending(client), rig.counters().refused_requests.get()), (Ending::Clean, 1));
        rig.world().client_ends(client);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
    });
}

#[test]
fn while_it_is_us_who_decide_no_time_of_the_client_passes() {
    play(Limits { handshake_timeout: secs(2), ..limits() }, |rig| {
        let client = rig.connect();
        rig.run_for(millis(1_900));
        rig.send(client, request("/later").as_bytes());
        // The decision has seven seconds, to the tick.
        rig.run_for(millis(6_999));
        assert_eq!((rig.counters().decisions_pending.get(), rig.world().held()), (1, 1));
        rig.run_for(millis(201));
        let response = rig.response(client);
        assert!(
            response.starts_with("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"),
            "{response}"
        );
        let counters = rig.counters();
        assert_eq!((counters.decisions_timed_out.get(), counters.handshake_timeouts.get()), (1, 0));
        assert_eq!((counters.decisions_pending.get(), counters.refused_at_limit.get()), (0, 0));
        // A late decision has no effect.
        rig.decision().resolve(5);
        rig.world().client_ends(client);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
    });
}

#[test]
fn a_decision_that_is_dropped_is_503_and_that_to_head_has_no_body() {
    play(limits(), |rig| {
        let head = "HEAD /later HTTP/1.1\r\nHost: h\r\n\r\n";
        for (request, has_body) in [(request("/later"), true), (head.into(), false)] {
            let client = defer_decision(rig, request.as_bytes());
            drop(rig.decision());
            rig.settle();
            let response = rig.response(client);
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
            assert_eq!(!response.ends_with("\r\n\r\n"), has_body, "{response}");
            assert_eq!(rig.ending(client), Ending::Clean);
        }
        assert_eq!(rig.counters().decisions_dropped.get(), 2);
    });
}

#[test]
fn a_peer_that_is_gone_costs_nothing_and_its_decision_is_for_nobody_else() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        let stale = rig.decision();
        rig.world().client_resets(client);
        rig.settle();
        assert_eq!((rig.world().held(), rig.counters().decisions_pending.get()), (0, 0));
        // Another client takes the same slot of the table.
        let other = defer_decision(rig, request("/later").as_bytes());
        stale.resolve(5);
        rig.settle();
        assert_eq!((rig.response(other), states(rig)), (String::new(), vec![State::Deciding]));
        rig.decision().resolve(6);
        rig.settle();
        assert_eq!(frames_behind(rig, other), []);
    });
}

#[test]
fn a_decision_on_an_earlier_request_of_a_connection_is_not_taken_for_one_on_the_next() {
    play(limits(), |rig| {
        let client = rig.open_by(&request("/later-or-now")).0;
        rig.decision().resolve(5);
        rig.settle();
        assert_eq!(rig.frames(client), []);
        // The first decision times out without having been resolved.
        let slow = defer_decision(rig, get("/later").as_bytes());
        let stale = rig.decision();
        rig.run_for(secs(8));
        let _ = rig.response(slow);
        stale.resolve(5);
        rig.settle();
        assert_eq!(rig.response(slow), "");
    });
}

/// The application asks of each of its decisions whether it is awaited.
fn awaited(rig: &Rig) -> Vec<bool> {
    rig.decisions().iter().map(crate::worker::Decision::is_awaited).collect()
}

/// Input behind a request: nothing, a part of a frame, and more than the worker would ever keep.
fn behind() -> [Vec<u8>; 3] {
    [Vec::new(), b"\x81\x82\0\0".to_vec(), vec![b'x'; 2 * READ_BUFFER]]
}

#[test]
fn who_ends_its_half_behind_a_plain_request_gets_the_answer_all_the_same() {
    play(limits(), |rig| {
        for behind in ["", "more"] {
            let client = defer_decision(rig, [&get("/later"), behind].concat().as_bytes());
            rig.world().client_ends(client);
            rig.settle();
            assert_eq!((rig.counters().decisions_pending.get(), awaited(rig)), (1, vec![true]));
            rig.decision().resolve(5);
            rig.settle();
            assert!(rig.response(client).starts_with(&answer(5)));
            assert_eq!(rig.world().held(), 0);
        }
    });
}

#[test]
fn who_ends_its_half_behind_a_request_for_a_websocket_is_dropped_at_once() {
    for is_later in [true, false] {
        for behind in behind() {
            play(limits(), |rig| {
                let client = rig.connect();
                rig.send(client, &[request("/later").as_bytes(), &behind].concat());
                if is_later {
                    rig.settle();
                    assert_eq!(awaited(rig), [true]);
                }
                rig.world().client_ends(client);
                rig.settle();
                let counters = rig.counters();
                assert_eq!((rig.world().held(), counters.decisions_pending.get()), (0, 0));
                assert_eq!((awaited(rig), counters.opened.get()), (vec![false], 0));
                rig.decision().resolve(5);
                rig.settle();
                assert_eq!((rig.response(client), rig.counters().opened.get()), (String::new(), 0));
            });
        }
    }
}

#[test]
fn who_resets_while_its_request_is_decided_on_is_dropped_at_once() {
    for (request, is_later) in [(request("/later"), true), (get("/later"), true), (get("/later"), false)] {
        for behind in behind() {
            play(limits(), |rig| {
                let client = rig.connect();
                rig.send(client, &[request.as_bytes(), &behind].concat());
                if is_later {
                    rig.settle();
                    assert_eq!(awaited(rig), [true]);
                }
                rig.world().client_resets(client);
                rig.settle();
                assert_eq!((rig.world().held(), rig.counters().decisions_pending.get()), (0, 0));
                assert_eq!(awaited(rig), [false]);
                drop(rig.decision());
                rig.settle();
            });
        }
    }
}

#[test]
fn a_decision_that_is_too_late_is_not_awaited() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        rig.run_for(millis(6_999));
        assert_eq!(awaited(rig), [true]);
        rig.run_for(millis(201));
        assert_eq!(awaited(rig), [false]);
        assert!(rig.response(client).starts_with("HTTP/1.1 503 "));
        // The application does not return the verdict that waits for its decision.
        let _ = rig.open_by(&request("/later-or-now"));
        assert_eq!(awaited(rig), [false, false]);
    });
}

#[test]
fn a_handler_cannot_put_a_request_off_twice() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        rig.decision().resolve(1);
        rig.settle();
        assert!(rig.response(client).starts_with("HTTP/1.1 500 "));
        assert_eq!((rig.ending(client), rig.counters().decisions_pending.get()), (Ending::Clean, 0));
    });
}

#[test]
fn above_the_limit_nothing_is_deferred() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..=DECISIONS).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, request("/later").as_bytes());
        }
        rig.settle();
        let counters = rig.counters();
        assert_eq!(counters.decisions_pending.get(), DECISIONS as u64);
        assert_eq!((counters.decisions_refused.get(), counters.refused_at_limit.get()), (1, 1));
        let told: Vec<String> = clients.iter().map(|&client| rig.response(client)).collect();
        assert_eq!(told.iter().filter(|response| response.starts_with("HTTP/1.1 503 ")).count(), 1);
        // Decisions of clients that are gone take a place until they are resolved or dropped.
        for &client in &clients {
            rig.world().client_resets(client);
        }
        rig.settle();
        assert_eq!((rig.counters().decisions_pending.get(), rig.world().held()), (0, 0));
        let late = rig.connect();
        rig.send(late, request("/later").as_bytes());
        rig.settle();
        assert!(rig.response(late).starts_with("HTTP/1.1 503 "));
        drop(rig.decision());
        rig.settle();
        defer_decision(rig, request("/later").as_bytes());
    });
}

#[test]
fn heads_that_are_deferred_count_as_buffers() {
    play(Limits { buffers: 300, ..limits() }, |rig| {
        let (first, second) = (rig.connect(), rig.connect());
        for client in [first, second] {
            rig.send(client, request("/later").as_bytes());
        }
        rig.settle();
        let told = [rig.response(first), rig.response(second)].concat();
        assert!(told.starts_with("HTTP/1.1 503 ") && told.matches("HTTP/1.1 ").count() == 1, "{told}");
    });
    // There is a buffer for the head, and none for the input that follows.
    play(Limits { buffers: 600, ..limits() }, |rig| {
        let client = rig.connect();
        rig.send(client, [get("/none"), get("/later"), "x".repeat(700)].concat().as_bytes());
        rig.settle();
        let told = rig.response(client);
        assert!(told.starts_with("HTTP/1.1 204 ") && told.contains("HTTP/1.1 503 "), "{told}");
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn at_the_end_of_the_server_nothing_is_decided_any_more() {
    play(limits(), |rig| {
        let client = defer_decision(rig, request("/later").as_bytes());
        let decision = rig.decision();
        rig.handle.shared.drain(secs(5));
        rig.iterate();
        assert!(rig.response(client).starts_with("HTTP/1.1 503 "));
        decision.resolve(5);
        rig.world().client_ends(client);
        rig.settle();
        assert!(!rig.is_alive());
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn many_decisions_at_once_leave_time_for_mail_and_sockets() {
    play(limits(), |rig| {
        let other = rig.open();
        let clients: Vec<Client> = (0..1_000).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, get("/later").as_bytes());
        }
        rig.settle();
        for _ in 0..clients.len() {
            rig.decision().resolve(5);
        }
        rig.send_text(other, "hi");
        rig.handle.broadcast(crate::Message::Text("all")).unwrap();
        rig.iterate();
        assert_eq!(rig.frames(other), [Seen::Text("all".into()), Seen::Text("hi".into())]);
        assert!(rig.counters().responses.get() < 500);
        rig.settle();
        assert_eq!(rig.counters().responses.get(), 1_000);
    });
}

#[test]
fn an_answer_that_is_stuck_does_not_hold_up_the_decision_behind_it() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.world().set_room(client, 100);
        rig.send(client, [get("/big?1000"), get("/later")].concat().as_bytes());
        rig.settle();
        rig.decision().resolve(5);
        rig.settle();
        let mut got = rig.response(client);
        for _ in 0..20 {
            rig.world().set_room(client, 100);
            rig.settle();
            got += &rig.response(client);
        }
        assert!(got.ends_with(&answer(5)), "{got}");
        assert_eq!(states(rig), [State::KeptAlive]);
    });
}
