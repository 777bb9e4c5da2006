//! Tests of input: budgets, and reads without a new event.

use super::rig::{Client, Rig, Seen, limits, play, secs};
use crate::budget::{READ_BEFORE_LARGE, READ_BUFFER, READS_PER_VISIT};
use crate::simulation::connection::Ending;
use crate::worker::limits::Limits;
use crate::ws::{CloseCode, Opcode, encode};

/// Sends more input at once than an iteration reads from one connection.
fn flood(rig: &mut Rig, client: Client) -> usize {
    let mut bytes = Vec::new();
    while bytes.len() < 5 * READS_PER_VISIT * READ_BUFFER {
        encode::frame(&mut bytes, Opcode::Pong, &[0; 125], Some([1; 4]));
    }
    rig.send(client, &bytes);
    bytes.len()
}

fn unread(rig: &Rig, client: Client) -> usize {
    rig.world().connections[client].inbound.len()
}

#[test]
fn a_flood_is_read_in_slices_without_a_new_event_and_others_have_their_turn() {
    play(limits(), |rig| {
        let (loud, quiet) = (rig.open(), rig.open());
        let mut left = flood(rig, loud);
        while left > 0 {
            rig.send_text(quiet, "hi");
            rig.iterate();
            assert_eq!(rig.frames(quiet), [Seen::Text("hi".into())]);
            let read = left - unread(rig, loud);
            assert!(read > 0 && read <= 2 * READS_PER_VISIT * READ_BUFFER, "{read}");
            left -= read;
        }
        rig.settle();
        assert_eq!(rig.counters().open.get(), 2);
    });
}

#[test]
fn what_ends_a_flood_is_seen_however_late_it_is_read() {
    play(limits(), |rig| {
        for reset in [false, true] {
            let client = rig.open();
            flood(rig, client);
            rig.iterate();
            if reset {
                rig.world().client_resets(client);
            } else {
                rig.world().client_ends(client);
            }
            rig.settle();
            assert_eq!((rig.log().last_close(), rig.world().held()), ("lost", 0));
        }
        let client = rig.open();
        flood(rig, client);
        rig.send_close(client, CloseCode::NORMAL);
        rig.settle();
        assert_eq!((rig.frames(client), rig.ending(client)), (vec![Seen::Close(1000)], Ending::Clean));
    });
}

#[test]
fn a_flood_that_is_cut_short_leaves_nothing_to_visit() {
    play(limits(), |rig| {
        let client = rig.open();
        flood(rig, client);
        rig.iterate();
        let id = rig.log().opened[0];
        rig.handle.close(id, CloseCode::NORMAL, "").unwrap();
        rig.world().client_resets(client);
        let again = rig.open();
        rig.send_text(again, "hi");
        assert!(rig.settle() <= 3);
        assert_eq!(rig.frames(again), [Seen::Text("hi".into())]);
    });
}

#[test]
fn a_short_read_is_the_last_and_an_end_takes_one_more() {
    play(limits(), |rig| {
        let client = rig.open();
        let recvs = |rig: &Rig| rig.world().connections[client].recvs;
        let before = recvs(rig);
        rig.send_text(client, "hi");
        rig.settle();
        assert_eq!(recvs(rig) - before, 1);
        rig.send_text(client, "bye");
        rig.world().client_ends(client);
        rig.settle();
        assert_eq!(recvs(rig) - before, 3);
    });
}

#[test]
fn a_message_in_pieces_is_whole_to_the_handler() {
    play(limits(), |rig| {
        let client = rig.open();
        let mut bytes = Vec::new();
        encode::fragment(&mut bytes, encode::Fin::Clear, Opcode::Text, b"in ", Some([1; 4]));
        encode::frame(&mut bytes, Opcode::Ping, b"between", Some([2; 4]));
        encode::frame(&mut bytes, Opcode::Continuation, b"pieces", Some([3; 4]));
        for byte in bytes {
            rig.send(client, &[byte]);
            rig.settle();
        }
        assert_eq!(rig.frames(client), [Seen::Pong(b"between".into()), Seen::Text("in pieces".into())]);
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.used()),
            (0, 0)
        );
    });
}

#[test]
fn of_the_next_large_message_little_is_read_that_would_have_to_move() {
    play(Limits { outbox: 2 << 20, ..limits() }, |rig| {
        let (large, small) = (vec![1; 1 << 20], vec![1; READ_BEFORE_LARGE / 8]);
        let (client, other) = (rig.open(), rig.open());
        // Returns whether more input was received into the buffer than necessary.
        let echo = |rig: &mut Rig| {
            rig.send_frame(client, Opcode::Binary, &large);
            rig.settle();
            assert_eq!(rig.frames(client), [Seen::Binary(large.len())]);
            let received = &rig.worker.sessions.streams.receive_buffer;
            let is_more = received.can_trim(READ_BEFORE_LARGE);
            assert!(received.can_trim(if is_more { READ_BUFFER - 1 } else { READ_BEFORE_LARGE - 1 }));
            rig.run_for(secs(5));
            is_more
        };
        assert!(echo(rig));
        assert!(!echo(rig));
        // A few small messages at a time, or together with a large one, do not make the worker expect large ones.
        rig.send_frame(other, Opcode::Binary, &small);
        assert!(!echo(rig));
        // Many small messages at a time are not taken for a large one.
        (0..40).for_each(|_| rig.send_frame(other, Opcode::Binary, &small));
        rig.run_for(secs(5));
        assert_eq!(rig.frames(other), vec![Seen::Binary(small.len()); 41]);
        assert!(echo(rig));
    });
}
