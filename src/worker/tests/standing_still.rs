//! Tests of a process that was stopped, was late, or had more to read than an iteration does: no peer that has met its deadline is dropped.

use std::time::Duration;

use super::rig::{Client, Rig, Seen, limits, millis, play, request, secs};
use crate::base::ticks::time_of;
use crate::simulation::connection::Ending;
use crate::worker::{ConnIndex, Limits, PingPolicy};
use crate::ws::{CloseCode, Opcode, encode};

/// Longer than any deadline of a peer.
const LONG: Duration = secs(60);

/// Stops the process. Input of clients arrives meanwhile. A signal ends its wait, which returns no events.
fn stand_still(rig: &mut Rig, time: Duration) {
    rig.world().now += time;
    rig.world().signals = 1;
}

fn pinging(ping_policy: PingPolicy) -> Limits {
    Limits { ping_interval: Some(secs(2)), pong_timeout: secs(10), ping_policy, ..limits() }
}

/// Runs until the client gets a Ping, and returns its payload.
fn ping(rig: &mut Rig, client: Client) -> Vec<u8> {
    for _ in 0..100 {
        rig.run_for(millis(100));
        if let [Seen::Ping(payload)] = &rig.frames(client)[..] {
            return payload.clone();
        }
    }
    panic!("no Ping comes");
}

fn half(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::fragment(&mut bytes, encode::Fin::Clear, Opcode::Text, text, Some([1, 2, 3, 4]));
    bytes
}

#[test]
fn a_pong_that_arrived_while_the_process_stood_still_counts() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            let payload = ping(rig, client);
            rig.send_frame(client, Opcode::Pong, &payload);
            stand_still(rig, LONG);
            rig.iterate();
            assert_eq!(rig.counters().pong_timeouts.get(), 0, "{policy:?}");
            assert_eq!((rig.counters().open.get(), rig.counters().pongs_received.get()), (1, 1));
        });
    }
}

#[test]
fn whoever_did_not_answer_is_dropped_all_the_same() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            ping(rig, client);
            stand_still(rig, LONG);
            rig.iterate();
            rig.run_for(secs(25));
            assert_eq!(rig.log().last_close(), "pong timeout");
        });
    }
}

#[test]
fn the_rest_of_a_message_that_arrived_while_the_process_stood_still_counts() {
    play(Limits { message_timeout: Some(secs(3)), ..limits() }, |rig| {
        let client = rig.open();
        rig.send(client, &half(b"quiet"));
        rig.settle();
        rig.send_frame(client, Opcode::Continuation, b"ly");
        stand_still(rig, LONG);
        rig.iterate();
        assert_eq!((rig.log().messages.len(), rig.counters().message_timeouts.get()), (1, 0));
        // A message without its end still times out.
        rig.send(client, &half(b"quiet"));
        rig.settle();
        stand_still(rig, LONG);
        rig.iterate();
        assert_eq!(rig.log().last_close(), "message timeout");
    });
}

#[test]
fn a_message_that_began_while_the_last_was_looked_for_has_its_time() {
    play(Limits { message_timeout: Some(secs(3)), ..limits() }, |rig| {
        let client = rig.open();
        rig.send(client, &half(b"quiet"));
        rig.settle();
        rig.send_frame(client, Opcode::Continuation, b"ly");
        rig.send(client, &half(b"another"));
        stand_still(rig, LONG);
        rig.iterate();
        rig.run_for(millis(2_999));
        assert_eq!((rig.log().messages.len(), rig.counters().message_timeouts.get()), (1, 0));
        rig.run_for(millis(101));
        assert_eq!(rig.counters().message_timeouts.get(), 1);
    });
}

#[test]
fn a_request_that_arrived_while_the_process_stood_still_counts() {
    for first in [0, 1, 50] {
        play(limits(), |rig| {
            let client = rig.connect();
            let request = request("/").into_bytes();
            rig.send(client, &request[..first]);
            rig.settle();
            rig.send(client, &request[first..]);
            stand_still(rig, LONG);
            rig.iterate();
            assert_eq!((rig.counters().open.get(), rig.counters().handshake_timeouts.get()), (1, 0));
            assert!(rig.response(client).starts_with("HTTP/1.1 101 "));
        });
    }
}

#[test]
fn a_close_that_arrived_while_the_process_stood_still_counts() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.handle.close(id, CloseCode::NORMAL, "").unwrap();
        rig.settle();
        rig.send_close(client, CloseCode::NORMAL);
        stand_still(rig, LONG);
        rig.iterate();
        assert_eq!((rig.counters().close_timeouts.get(), rig.world().held()), (0, 0));
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn the_end_of_a_refused_client_that_arrived_meanwhile_makes_no_reset() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        rig.settle();
        rig.send(client, b"more");
        rig.world().client_ends(client);
        stand_still(rig, LONG);
        rig.iterate();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
        assert_eq!(rig.counters().close_timeouts.get(), 0);
    });
}

#[test]
fn answers_that_arrived_while_a_draining_process_stood_still_count() {
    play(limits(), |rig| {
        let [answers, silent] = [rig.open(), rig.open()];
        rig.handle.shared.drain(secs(3));
        rig.settle();
        rig.send_close(answers, CloseCode::GOING_AWAY);
        stand_still(rig, LONG);
        rig.iterate();
        assert!(!rig.is_alive());
        assert_eq!((rig.ending(answers), rig.frames(answers)), (Ending::Clean, vec![Seen::Close(1001)]));
        assert_eq!(rig.frames(silent), [Seen::Close(1001)]);
    });
}

#[test]
fn whom_a_drain_had_not_told_when_its_time_was_up_is_told_yet() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "hello");
        rig.handle.shared.drain(Duration::ZERO);
        stand_still(rig, LONG);
        rig.iterate();
        assert!(!rig.is_alive());
        assert_eq!(rig.frames(client), [Seen::Text("hello".into()), Seen::Close(1001)]);
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn a_reader_whose_kernel_took_in_something_meanwhile_lives() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(Limits { slowest_reader: 1, ..pinging(policy) }, |rig| {
            let client = rig.open();
            rig.world().set_room(client, 1_000);
            rig.send_text(client, "big 100000");
            rig.run_for(secs(8));
            // Reading makes room in the kernel's buffer, which that wait does not report.
            rig.world().client_takes(client);
            rig.world().connections[client].room = 1_000;
            stand_still(rig, LONG);
            rig.iterate();
            assert_eq!((rig.counters().open.get(), rig.counters().pong_timeouts.get()), (1, 0), "{policy:?}");
            rig.run_for(LONG);
            assert_eq!(rig.log().last_close(), "pong timeout");
        });
    }
}

#[test]
fn a_ping_that_leaves_after_the_process_stood_still_within_an_iteration_has_its_time() {
    play(Limits { pong_timeout: secs(1), ..pinging(PingPolicy::WhenIdle) }, |rig| {
        let client = rig.open();
        let due = time_of(
            rig.worker.sessions.streams.table.get(ConnIndex::new(0)).unwrap().timer.deadline().unwrap(),
        );
        let busy = rig.open();
        let wait = due - rig.world().now - millis(1);
        rig.run_for(wait);
        // The process is stopped while it reads from one client, in the iteration in which the Ping of the other is due.
        rig.send_text(busy, "quiet");
        rig.world().now = due;
        rig.world().stall = LONG;
        rig.iterate();
        let [Seen::Ping(payload)] = &rig.frames(client)[..] else { panic!("no Ping") };
        rig.run_for(millis(900));
        assert_eq!(rig.counters().pong_timeouts.get(), 0);
        rig.send_frame(client, Opcode::Pong, payload);
        rig.settle();
        assert_eq!(rig.counters().pongs_received.get(), 1);
    });
}

#[test]
fn a_connection_accepted_after_the_process_stood_still_within_an_iteration_has_its_time() {
    play(limits(), |rig| {
        let busy = rig.open();
        rig.send_text(busy, "quiet");
        let client = rig.connect();
        rig.world().stall = LONG;
        rig.settle();
        rig.run_for(millis(9_900));
        assert_eq!(rig.counters().handshake_timeouts.get(), 0);
        rig.send(client, request("/").as_bytes());
        rig.settle();
        assert_eq!(rig.counters().open.get(), 2);
    });
}

/// There are more clients than events in a wait and timers in an iteration. All of them answer all Pings, while the process is stopped
/// again and again.
#[test]
fn nobody_of_a_crowd_that_answers_is_lost_however_often_the_process_stops() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(Limits { pong_timeout: secs(2), ..pinging(policy) }, |rig| {
            let clients: Vec<Client> = (0..5_000).map(|_| rig.connect()).collect();
            for &client in &clients {
                rig.send(client, request("/").as_bytes());
            }
            rig.settle();
            for &client in &clients {
                rig.world().client_takes(client);
            }
            rig.run_for(secs(2));
            for stop in 0..12 {
                for &client in &clients {
                    for seen in rig.frames(client) {
                        let Seen::Ping(payload) = seen else { panic!("{seen:?}") };
                        rig.send_frame(client, Opcode::Pong, &payload);
                    }
                }
                stand_still(rig, secs(6));
                // Fifty milliseconds are enough for an iteration or two.
                rig.iterate();
                if stop % 2 == 0 {
                    rig.iterate();
                }
                assert_eq!(rig.counters().pong_timeouts.get(), 0, "{policy:?}, stop {stop}");
            }
            assert_eq!(rig.counters().open.get(), 5_000);
            assert!(rig.counters().pings_sent.get() > 3_000);
        });
    }
}

#[test]
fn a_pong_that_is_read_after_the_last_look_leaves_nothing_of_that() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        let payload = ping(rig, client);
        // More input than the final read for the Pong reads.
        for _ in 0..12 {
            rig.send_frame(client, Opcode::Binary, &[7; 60_000]);
        }
        rig.send_frame(client, Opcode::Pong, &payload);
        stand_still(rig, LONG);
        rig.settle();
        assert_eq!((rig.counters().open.get(), rig.counters().pongs_received.get()), (1, 1));
        assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0);
    });
}

#[test]
fn a_pong_that_is_found_when_the_end_of_a_message_is_looked_for_counts() {
    play(Limits { message_timeout: Some(secs(3)), ..pinging(PingPolicy::Always) }, |rig| {
        let client = rig.open();
        let payload = ping(rig, client);
        let piece = |fin: bool, opcode| {
            let mut bytes = Vec::new();
            encode::fragment(&mut bytes, fin.into(), opcode, &[7; 60_000], Some([1, 2, 3, 4]));
            bytes
        };
        rig.send(client, &piece(false, Opcode::Binary));
        rig.settle();
        // More input than the final read for the Pong reads, and less than that and the one for the message together.
        for number in 2..=17 {
            rig.send(client, &piece(number == 17, Opcode::Continuation));
            if number == 14 {
                rig.send_frame(client, Opcode::Pong, &payload);
            }
        }
        stand_still(rig, LONG);
        rig.iterate();
        assert_eq!(rig.counters().pongs_received.get(), 1);
        rig.settle();
        assert_eq!((rig.counters().open.get(), rig.counters().message_timeouts.get()), (1, 0));
    });
}
