//! Tests of the end of a worker: graceful, at its deadline, or at once.

use super::rig::{Client, Seen, limits, millis, play, request, secs};
use crate::budget::SLICE_PER_ITERATION;
use crate::simulation::connection::Ending;
use crate::ws::{CloseCode, Message};

#[test]
fn everybody_is_told_1001_and_the_end_comes_with_the_last_answer() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..SLICE_PER_ITERATION + 10).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, request("/").as_bytes());
        }
        rig.settle();
        for &client in &clients {
            rig.world().client_takes(client);
        }
        rig.handle.shared.drain(secs(3));
        rig.settle();
        for &client in &clients {
            assert_eq!(rig.frames(client), [Seen::Close(1001)]);
        }
        assert_eq!((rig.counters().open.get(), rig.world().listening()), (0, 0));
        assert_eq!(rig.log().last_close(), "by us 1001");
        for &client in &clients[1..] {
            rig.send_close(client, CloseCode::GOING_AWAY);
        }
        rig.settle();
        assert!(rig.is_alive());
        rig.send_close(clients[0], CloseCode::GOING_AWAY);
        rig.settle();
        assert!(!rig.is_alive());
        assert!(clients.iter().all(|&client| rig.ending(client) == Ending::Clean));
    });
}

#[test]
fn an_empty_worker_ends_at_once() {
    play(limits(), |rig| {
        rig.handle.shared.drain(secs(3));
        rig.settle();
        assert!(!rig.is_alive());
    });
}

#[test]
fn the_deadline_cuts_who_does_not_answer() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.handle.shared.drain(secs(3));
        rig.run_for(millis(2_999));
        assert!(rig.is_alive());
        rig.run_for(millis(1));
        assert!(!rig.is_alive());
        assert_eq!(rig.frames(client), [Seen::Close(1001)]);
        assert_eq!(rig.world().held(), 0);
    });
}

#[test]
fn the_close_timeout_ends_a_drain_before_its_deadline() {
    play(limits(), |rig| {
        rig.open();
        rig.handle.shared.drain(secs(3_600));
        rig.run_for(millis(5_200));
        assert!(!rig.is_alive());
        assert_eq!(rig.counters().close_timeouts.get(), 1);
    });
}

#[test]
fn those_in_the_queue_and_in_their_handshake_are_told_503() {
    play(limits(), |rig| {
        let (held, shaking) = (rig.open(), rig.connect());
        rig.send(shaking, b"GET / HT");
        rig.settle();
        let shaking_head = rig.connect();
        rig.send(shaking_head, b"HEAD / HT");
        rig.settle();
        let waiting = rig.connect();
        rig.send(waiting, request("/").as_bytes());
        rig.handle.shared.drain(secs(3));
        rig.settle();
        for client in [shaking, shaking_head, waiting] {
            let response = rig.response(client);
            assert!(response.starts_with("HTTP/1.1 503 "));
            assert_eq!(
                response.ends_with("\r\n\r\n"),
                client == shaking_head,
                "HEAD alone is answered without a body"
            );
            assert_eq!(rig.ending(client), Ending::Clean);
            rig.world().client_ends(client);
        }
        assert_eq!(rig.world().connect(), None, "nobody listens");
        rig.send_close(held, CloseCode::GOING_AWAY);
        rig.settle();
        assert!(!rig.is_alive());
    });
}

#[test]
fn output_leaves_before_the_close_of_the_end() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 10);
        rig.send_text(client, "big 1000");
        rig.settle();
        rig.handle.broadcast(Message::Text("last orders")).unwrap();
        rig.settle();
        rig.handle.shared.drain(secs(3));
        rig.settle();
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        let expected = [Seen::Binary(1000), Seen::Text("last orders".into()), Seen::Close(1001)];
        assert_eq!(rig.frames(client), expected);
        rig.send_close(client, CloseCode::GOING_AWAY);
        rig.settle();
        assert!(!rig.is_alive());
    });
}

#[test]
fn a_stop_cuts_everybody_at_once_also_within_a_drain() {
    for drains in [false, true] {
        play(limits(), |rig| {
            let (open, shaking, half) = (rig.open(), rig.connect(), rig.open());
            rig.send(half, b"\x82\xfe\x0f\xa0\0\0\0\0half");
            rig.settle();
            if drains {
                rig.handle.shared.drain(secs(3));
                rig.settle();
            }
            rig.handle.shared.stop();
            rig.settle();
            assert!(!rig.is_alive());
            for client in [open, shaking, half] {
                assert_ne!(rig.ending(client), Ending::Open);
            }
            assert_eq!(rig.log().last_close(), "by us 1001");
        });
    }
}

#[test]
fn memory_goes_back_after_a_spike() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..10_000).map(|_| rig.connect()).collect();
        let mut bytes = request("/").into_bytes();
        bytes.extend_from_slice(b"\x82\xfe\x0f\xa0\0\0\0\0half");
        for &client in &clients {
            rig.send(client, &bytes);
        }
        rig.settle();
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.table.len()),
            (10_000, 10_000)
        );
        for &client in &clients {
            rig.world().client_resets(client);
        }
        rig.run_for(secs(5));
        assert_eq!(
            (rig.worker.sessions.streams.table.side_slots(), rig.worker.sessions.streams.table.end()),
            (0, 0)
        );
        assert!(!rig.worker.sessions.streams.pool.can_trim());
        assert_eq!(rig.run_for(secs(3_600)), 1, "and then nothing is looked after any more");
    });
}

#[test]
fn a_drain_that_begins_between_two_phases_is_not_slept_over() {
    play(limits(), |rig| {
        rig.open();
        let id = rig.log().opened[0];
        // The worker wakes up for mail and sees that the server is still running; then the drain begins.
        rig.handle.send(id, Message::Text("hi")).unwrap();
        rig.worker.wait().unwrap();
        assert!(rig.worker.apply_stage());
        rig.handle.shared.drain(secs(3));
        rig.worker.handle_mail();
        rig.run_for(secs(3));
        assert!(!rig.is_alive());
    });
}
