//! Tests of incomplete messages: exactly when they time out, and what does not extend their deadlines.

use super::deflating::Deflating;
use super::rig::{Client, Rig, Seen, limits, millis, play, secs};
use crate::base::meter::Allowance;
use crate::base::ticks::TICK;
use crate::base::ticks::time_of;
use crate::simulation::connection::Ending;
use crate::worker::{ConnIndex, Deflation, Limits, PingPolicy};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{CloseCode, Opcode, encode};

const TIMEOUT: std::time::Duration = secs(3);

fn timed() -> Limits {
    Limits { message_timeout: Some(TIMEOUT), ..limits() }
}

/// Returns the first frame of a message, or the whole message.
fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::fragment(&mut bytes, fin.into(), opcode, payload, Some([1, 2, 3, 4]));
    bytes
}

/// Checks that the connection is closed between the timeout and one tick later, from now.
fn is_closed_in_time(rig: &mut Rig, client: Client) {
    rig.run_for(TIMEOUT - millis(1));
    assert_eq!(rig.counters().message_timeouts.get(), 0, "early");
    rig.run_for(TICK + millis(1));
    assert_eq!((rig.counters().message_timeouts.get(), rig.log().last_close()), (1, "message timeout"));
    assert_eq!(rig.frames(client), [Seen::Close(1008)]);
    assert_eq!((rig.ending(client), rig.worker.sessions.streams.pool.used()), (Ending::Clean, 0));
}

#[test]
fn whatever_has_begun_is_closed_in_time() {
    let whole = frame(true, Opcode::Binary, &[7; 300]);
    let first = frame(false, Opcode::Text, b"first");
    let more = [&first[..], &frame(false, Opcode::Continuation, b"more")].concat();
    let ping = frame(true, Opcode::Ping, b"half a ping");
    let after_another = [&frame(true, Opcode::Text, b"quiet")[..], &first].concat();
    for bytes in [&whole[..1], &whole[..5], &whole[..299], &first, &more, &ping[..8], &after_another] {
        play(timed(), |rig| {
            let client = rig.open();
            rig.run_for(millis(1234));
            rig.send(client, bytes);
            rig.settle();
            is_closed_in_time(rig, client);
        });
    }
}

#[test]
fn a_message_that_times_out_leaves_no_side_record() {
    play(timed(), |rig| {
        let client = rig.open();
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.run_for(TIMEOUT + TICK);
        assert_eq!(rig.log().last_close(), "message timeout");
        // The peer has not ended its stream yet.
        let inventory = rig.worker.inventory();
        assert_eq!((inventory.records, inventory.sides), (1, 0));
    });
}

#[test]
fn a_message_that_times_out_over_input_from_after_its_time_leaves_no_side_record() {
    let work = Allowance { first: 1, visit: 1, iteration: 4 };
    play(Limits { work, ..timed() }, |rig| {
        let client = rig.open();
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.settle();
        // This is more than one visit handles, so that the verdict waits.
        let pings = frame(true, Opcode::Ping, b"?").repeat(300);
        rig.send(client, &pings);
        rig.world().now += TIMEOUT + TICK;
        rig.iterate();
        assert_eq!(rig.counters().message_timeouts.get(), 0);
        rig.send(client, &[frame(true, Opcode::Continuation, b"rest"), pings].concat());
        rig.settle();
        assert_eq!((rig.counters().message_timeouts.get(), rig.log().messages.len()), (1, 0));
        // The peer has not ended its stream yet.
        let inventory = rig.worker.inventory();
        assert_eq!((inventory.records, inventory.sides), (1, 0));
    });
}

#[test]
fn a_byte_now_and_then_gains_no_time() {
    play(timed(), |rig| {
        let client = rig.open();
        let whole = frame(true, Opcode::Binary, &[7; 300]);
        for byte in &whole[..25] {
            rig.send(client, &[*byte]);
            rig.run_for(millis(110));
        }
        // The first byte was sent 2.75 s ago.
        rig.run_for(millis(249));
        assert_eq!(rig.counters().message_timeouts.get(), 0);
        rig.send(client, &whole[25..26]);
        rig.run_for(TICK + millis(1));
        assert_eq!(rig.counters().message_timeouts.get(), 1);
    });
}

#[test]
fn pings_between_its_frames_gain_no_time() {
    play(timed(), |rig| {
        let client = rig.open();
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        for _ in 0..29 {
            rig.run_for(millis(100));
            rig.send(client, &frame(true, Opcode::Ping, b""));
        }
        rig.settle();
        assert_eq!((rig.counters().message_timeouts.get(), rig.frames(client).len()), (0, 29));
        rig.run_for(TICK + millis(101));
        assert_eq!(rig.counters().message_timeouts.get(), 1);
    });
}

#[test]
fn one_message_after_the_other_is_no_unfinished_one() {
    play(timed(), |rig| {
        let client = rig.open();
        // Each read ends inside a message, and contains the end of another.
        let message = frame(true, Opcode::Text, b"quiet");
        rig.send(client, &message[..3]);
        for _ in 0..100 {
            rig.run_for(millis(500));
            rig.send(client, &[&message[3..], &message[..3]].concat());
        }
        rig.send(client, &message[3..]);
        rig.run_for(secs(20));
        assert_eq!((rig.log().messages.len(), rig.counters().message_timeouts.get()), (101, 0));
    });
}

#[test]
fn split_pings_are_no_unfinished_message() {
    play(timed(), |rig| {
        let client = rig.open();
        let ping = frame(true, Opcode::Ping, b"ping");
        rig.send(client, &ping[..4]);
        for _ in 0..20 {
            rig.run_for(millis(500));
            rig.send(client, &[&ping[4..], &ping[..4]].concat());
        }
        rig.settle();
        assert_eq!((rig.counters().message_timeouts.get(), rig.frames(client).len()), (0, 20));
    });
}

#[test]
fn a_message_that_ends_leaves_no_deadline_behind() {
    for context in [None, Some(ContextTakeover::Window(9))] {
        let deflation = context.map(|context| Deflation { context, level: 1, threshold: 64 });
        play(Limits { deflation, ..timed() }, |rig| {
            let client = match deflation {
                None => rig.open(),
                Some(_) => {
                    let mut peer = Deflating::open(rig, "permessage-deflate; client_max_window_bits");
                    peer.send_text(rig, &"something to keep a side record for ".repeat(9));
                    rig.settle();
                    peer.receive(rig);
                    peer.client
                }
            };
            let message = frame(true, Opcode::Text, b"hi");
            rig.send(client, &message[..4]);
            rig.run_for(millis(500));
            rig.send(client, &message[4..]);
            rig.settle();
            assert_eq!(rig.frames(client), [Seen::Text("hi".into())]);
            assert_eq!(rig.worker.sessions.streams.table.next_message_tick(), None);
            rig.run_for(secs(20));
            assert_eq!(rig.counters().message_timeouts.get(), 0);
        });
    }
}

#[test]
fn who_is_not_read_from_has_time_until_he_is() {
    play(timed(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 100);
        rig.send(client, &frame(true, Opcode::Text, b"big 1000"));
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.run_for(secs(10));
        assert_eq!(rig.counters().message_timeouts.get(), 0);
        rig.world().set_room(client, usize::MAX);
        rig.run_for(secs(3) + 2 * TICK);
        assert_eq!(rig.counters().message_timeouts.get(), 1);
    });
}

#[test]
fn the_clock_of_pings_goes_on_beside_it() {
    let pinging = Limits {
        ping_interval: Some(secs(2)),
        ping_policy: PingPolicy::Always,
        pong_timeout: secs(1),
        message_timeout: Some(secs(60)),
        ..limits()
    };
    play(pinging, |rig| {
        let client = rig.open();
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.run_for(secs(4));
        assert_eq!((rig.counters().pong_timeouts.get(), rig.counters().message_timeouts.get()), (1, 0));
        assert_eq!(rig.worker.sessions.streams.table.next_message_tick(), None);
    });
}

#[test]
fn a_closing_connection_has_the_deadline_of_its_close() {
    play(timed(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.settle();
        rig.handle.close(id, CloseCode::NORMAL, "").unwrap();
        rig.run_for(secs(6));
        assert_eq!((rig.counters().message_timeouts.get(), rig.counters().close_timeouts.get()), (0, 1));
        assert_eq!(rig.frames(client), [Seen::Close(1000)]);
    });
}

#[test]
fn without_a_deadline_it_may_take_for_ever() {
    play(limits(), |rig| {
        let client = rig.open();
        let message = frame(true, Opcode::Text, b"hi");
        rig.send(client, &message[..4]);
        rig.run_for(secs(100_000));
        rig.send(client, &message[4..]);
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Text("hi".into())]);
    });
}

/// Returns so many Pings that their Pongs fill replies.
fn pings(bytes: usize) -> Vec<u8> {
    frame(true, Opcode::Ping, &[7; 125]).repeat(bytes / 131)
}

#[test]
fn a_flood_of_pings_while_a_ping_is_due_does_not_make_the_deadline_vanish() {
    let limits = Limits { ping_interval: Some(secs(2)), ping_policy: PingPolicy::Always, ..timed() };
    play(limits, |rig| {
        let client = rig.open();
        let due = time_of(
            rig.worker.sessions.streams.table.get(ConnIndex::new(0)).unwrap().timer.deadline().unwrap(),
        );
        let wait = due - rig.world().now - millis(50);
        rig.run_for(wait);
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.settle();
        rig.world().now = due;
        rig.send(client, &pings(300_000));
        rig.run_for(TIMEOUT - millis(51));
        assert_eq!(rig.counters().message_timeouts.get(), 0, "early");
        rig.run_for(TICK + millis(1));
        assert_eq!(rig.counters().message_timeouts.get(), 1);
    });
}

#[test]
fn a_flood_that_is_never_read_to_its_end_gains_no_time() {
    play(timed(), |rig| {
        let client = rig.open();
        rig.send(client, &frame(false, Opcode::Text, b"first"));
        rig.settle();
        let flood = pings(600_000);
        let from = rig.world().now;
        // More input arrives during each visit than it reads, so that the connection is revisited without an event.
        while rig.counters().message_timeouts.get() == 0 {
            if rig.world().connections[client].inbound.len() < 2_000_000 {
                rig.send(client, &flood);
            }
            rig.world().now += millis(7);
            rig.iterate();
            rig.frames(client);
            let passed = rig.world().now - from;
            assert!(passed <= TIMEOUT + 2 * TICK, "it has had {passed:?}");
        }
        let passed = rig.world().now - from;
        assert!(passed >= TIMEOUT, "it has had but {passed:?}");
    });
}
