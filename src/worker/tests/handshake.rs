//! Tests from the first byte to the upgrade, and of clients that do not complete it.

use super::rig::{Seen, limits, millis, play, request, secs};
use crate::http::MAX_HEAD;
use crate::simulation::connection::Ending;
use crate::ws::Opcode;

#[test]
fn a_client_is_upgraded_and_echoed_to() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "hi");
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Text("hi".into())]);
        assert_eq!((rig.counters().open.get(), rig.counters().sockets.get()), (1, 1));
    });
}

#[test]
fn a_request_may_come_byte_by_byte_with_frames_behind_it() {
    play(limits(), |rig| {
        let client = rig.connect();
        let mut bytes = request("/").into_bytes();
        bytes.extend_from_slice(b"\x81\x82\0\0\0\0hi");
        for byte in bytes {
            rig.send(client, &[byte]);
            rig.settle();
        }
        let mut got = rig.world().client_takes(client);
        let head = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(super::rig::decode(&mut got[head..]), [Seen::Text("hi".into())]);
        assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0, "an idle connection has no side record");
    });
}

#[test]
fn the_response_and_what_the_handler_sends_at_once_leave_together() {
    play(limits(), |rig| {
        let client = rig.connect();
        let mut bytes = request("/greeted").into_bytes();
        bytes.extend_from_slice(b"\x81\x82\0\0\0\0hi");
        rig.send(client, &bytes);
        rig.settle();
        assert_eq!(rig.sends(client), 1);
        assert!(rig.world().client_takes(client).ends_with(b"\r\n\r\n\x81\x05hello\x81\x02hi"));
    });
}

#[test]
fn a_handler_may_close_what_it_has_just_opened() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, request("/turned-away").as_bytes());
        rig.settle();
        assert!(rig.world().client_takes(client).ends_with(b"\r\n\r\n\x88\x04\x03\xf0no"));
        assert_eq!(rig.log().last_close(), "by us 1008");
        assert_eq!(rig.counters().open.get(), 0);
        rig.send_frame(client, Opcode::Close, &[3, 240]);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
    });
}

#[test]
fn a_refusal_is_read_whole_and_the_connection_ends_cleanly() {
    play(limits(), |rig| {
        for (path, status) in [("/forbidden", "403"), ("bad", "400")] {
            let client = rig.connect();
            rig.send(client, request(path).as_bytes());
            rig.settle();
            rig.send(client, b"more, which nobody reads");
            rig.settle();
            let response = rig.response(client);
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
            assert_eq!(rig.ending(client), Ending::Clean);
            assert_eq!(rig.world().held(), 1, "the client's end of the stream is awaited");
            rig.world().client_ends(client);
            rig.settle();
            assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
        }
        assert_eq!(rig.counters().refused_requests.get(), 2);
    });
}

#[test]
fn a_refused_client_that_stays_is_cut_after_the_linger_time() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, request("/forbidden").as_bytes());
        rig.run_for(secs(2));
        assert_eq!(rig.world().held(), 1);
        rig.run_for(millis(100));
        assert_eq!(rig.world().held(), 0);
    });
}

#[test]
fn a_handshake_has_its_time_and_no_more() {
    play(limits(), |rig| {
        let (silent, slow) = (rig.connect(), rig.connect());
        rig.send(slow, b"GET / HT");
        rig.run_for(millis(9_900));
        // More bytes do not extend the deadline.
        rig.send(slow, b"TP/1.1\r\n");
        rig.run_for(millis(99));
        assert_eq!((rig.counters().handshake_timeouts.get(), rig.world().held()), (0, 2));
        rig.run_for(millis(101));
        assert_eq!((rig.counters().handshake_timeouts.get(), rig.world().held()), (2, 0));
        assert_eq!([rig.ending(silent), rig.ending(slow)], [Ending::Clean; 2]);
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn a_head_that_never_ends_is_refused_at_the_limit() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, b"GET / HTTP/1.1\r\nA: ");
        for _ in 0..MAX_HEAD / 100 + 1 {
            rig.send(client, &[b'x'; 100]);
            rig.settle();
        }
        assert!(rig.response(client).starts_with("HTTP/1.1 431 "));
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn without_buffers_a_split_head_is_told_to_come_back() {
    let limits = crate::worker::Limits { buffers: 300, ..limits() };
    play(limits, |rig| {
        let (first, second) = (rig.connect(), rig.connect());
        rig.send(first, b"GET / HT");
        rig.send(second, b"GET / HT");
        rig.settle();
        assert!(rig.response(second).starts_with("HTTP/1.1 503 "));
        rig.send(first, &[b'x'; 300]);
        rig.send(first, b"\r\n");
        rig.settle();
        assert!(rig.response(first).starts_with("HTTP/1.1 503 "));
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn a_refusal_for_want_of_buffers_has_no_body_where_head_is_asked_for() {
    let limits = crate::worker::Limits { buffers: 300, ..limits() };
    play(limits, |rig| {
        let (first, second) = (rig.connect(), rig.connect());
        rig.send(first, b"HEAD / HT");
        rig.send(second, b"HEAD / HT");
        rig.settle();
        rig.send(first, &[b'x'; 300]);
        rig.send(first, b"\r\n");
        rig.settle();
        for client in [first, second] {
            let response = rig.response(client);
            assert!(response.starts_with("HTTP/1.1 503 ") && response.ends_with("\r\n\r\n"), "{response}");
        }
    });
}

#[test]
fn a_refused_request_that_came_in_pieces_leaves_no_side_record() {
    play(limits(), |rig| {
        let client = rig.connect();
        for piece in request("/forbidden").as_bytes().chunks(50) {
            rig.send(client, piece);
            rig.settle();
        }
        assert!(rig.response(client).starts_with("HTTP/1.1 403 "));
        assert_eq!(
            (rig.worker.sessions.streams.table.len(), rig.worker.sessions.streams.table.sides_len()),
            (1, 0)
        );
    });
}
