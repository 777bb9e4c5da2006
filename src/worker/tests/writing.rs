//! Tests of output: how it is written and queued, and how much memory it may take.

use super::rig::{Seen, limits, play, secs};
use crate::budget::{READ_BUFFER, UNSENT_IN_KERNEL, UNSENT_OF_LARGE};
use crate::simulation::connection::Ending;
use crate::worker::{ConnIndex, Limits, PingPolicy};
use crate::ws::{Message, Opcode, encode};

#[test]
fn replies_of_one_iteration_leave_in_one_call() {
    play(limits(), |rig| {
        let client = rig.open();
        let before = rig.sends(client);
        for _ in 0..10 {
            rig.send_text(client, "hi");
            rig.send_frame(client, Opcode::Ping, b"?");
        }
        rig.settle();
        assert_eq!(rig.sends(client) - before, 1);
        assert_eq!(rig.frames(client).len(), 20);
    });
}

#[test]
fn the_kernel_may_take_more_of_a_long_message_while_it_is_written() {
    let limits = Limits { outbox: 2 << 20, ..limits() };
    play(limits, |rig| {
        let client = rig.open();
        let longest = UNSENT_IN_KERNEL as usize;
        rig.send_frame(client, Opcode::Binary, &vec![1; longest - encode::header_len(longest)]);
        rig.settle();
        assert!(rig.world().connections[client].unsent_limits.is_empty());
        rig.send_frame(client, Opcode::Binary, &vec![1; longest]);
        rig.settle();
        assert_eq!(rig.world().connections[client].unsent_limits, [UNSENT_OF_LARGE, UNSENT_IN_KERNEL]);
        rig.frames(client);
    });
}

#[test]
fn mail_replies_and_a_ping_leave_in_one_call() {
    let limits = Limits { ping_interval: Some(secs(30)), ping_policy: PingPolicy::Always, ..limits() };
    play(limits, |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        // All three are queued in the iteration in which the Ping is due.
        let due = rig.worker.sessions.streams.table.next_tick().map(crate::base::ticks::time_of).unwrap();
        rig.world().now = due;
        rig.handle.send(id, Message::Text("one")).unwrap();
        rig.handle.send(id, Message::Text("two")).unwrap();
        rig.send_text(client, "three");
        let before = rig.sends(client);
        rig.iterate();
        let seen = rig.frames(client);
        let texts = ["one", "two", "three"].map(|text| Seen::Text(text.into()));
        assert_eq!(seen[..3], texts);
        assert!(matches!(seen[3..], [Seen::Ping(_)]), "{seen:?}");
        assert_eq!(rig.sends(client) - before, 1);
    });
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 100);
        rig.send_text(client, "big 1000");
        rig.settle();
        for _ in 0..1_000 {
            rig.send_text(client, "big 1000");
            rig.settle();
        }
        assert_eq!(rig.log().messages.len(), 1, "the others wait in the kernel");
        assert!(
            rig.worker.sessions.streams.pool.used() <= 4_096,
            "{}",
            rig.worker.sessions.streams.pool.used()
        );
        // With room for all output, reading resumes without a new event of the client.
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), vec![Seen::Binary(1000); 1001]);
        assert_eq!((rig.log().messages.len(), rig.worker.sessions.streams.pool.used()), (1001, 0));
    });
}

#[test]
fn an_end_that_came_while_reading_rested_is_seen() {
    for reset in [false, true] {
        play(limits(), |rig| {
            let client = rig.open();
            rig.world().set_room(client, 100);
            rig.send_text(client, "big 1000");
            rig.settle();
            rig.send_text(client, "last words");
            if reset {
                rig.world().client_resets(client);
            } else {
                rig.world().client_ends(client);
            }
            rig.settle();
            rig.world().set_room(client, usize::MAX);
            rig.settle();
            assert_eq!(rig.log().last_close(), "lost");
            assert_eq!(rig.log().messages.len(), if reset { 1 } else { 2 });
            assert_eq!(rig.world().held(), 0);
        });
    }
}

#[test]
fn blocked_output_waits_for_room_and_is_not_tried_before() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 10);
        rig.send_text(client, "big 1000");
        rig.settle();
        let before = rig.sends(client);
        for _ in 0..5 {
            rig.handle.broadcast(Message::Text("more")).unwrap();
            rig.run_for(secs(1));
        }
        assert_eq!(rig.sends(client), before, "the kernel has not reported room");
        // Room becomes free in small pieces, each with an edge.
        for _ in 0..200 {
            rig.world().set_room(client, 10);
            rig.settle();
        }
        let mut expected = vec![Seen::Binary(1000)];
        expected.extend(vec![Seen::Text("more".into()); 5]);
        assert_eq!(rig.frames(client), expected);
        assert_eq!(
            (rig.worker.sessions.streams.pool.used(), rig.worker.sessions.streams.table.sides_len()),
            (0, 0)
        );
    });
}

#[test]
fn a_handler_is_told_when_the_outbox_is_full() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        for _ in 0..3 {
            // All messages arrive in one read: the second answer does not fit beside the first.
            rig.send_text(client, "big 70000");
        }
        rig.settle();
        // The first answer filled the reply buffer, which was written and queued.
        assert_eq!(rig.log().full, 2);
        assert_eq!(rig.counters().open.get(), 1);
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Binary(70_000)]);
    });
}

#[test]
fn a_push_that_does_not_fit_closes_with_1008() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.world().set_room(client, 0);
        for _ in 0..3 {
            rig.handle.send(id, Message::Binary(&[0; 50_000])).unwrap();
            rig.settle();
        }
        assert_eq!(rig.log().last_close(), "outbox overflow");
        assert_eq!((rig.counters().outbox_overflows.get(), rig.counters().open.get()), (1, 0));
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        let two = Seen::Binary(50_000);
        assert_eq!(rig.frames(client), [two.clone(), two, Seen::Close(1008)]);
    });
}

#[test]
fn output_that_finds_no_buffer_drops_the_connection_and_nobody_else() {
    let limits = Limits { buffers: 100_000, ..limits() };
    play(limits, |rig| {
        let clients = [rig.open(), rig.open(), rig.open()];
        for client in clients {
            rig.world().set_room(client, 5);
            rig.send_text(client, "big 40000");
            rig.settle();
        }
        assert_eq!(rig.log().last_close(), "buffers exhausted");
        assert_eq!((rig.counters().buffer_exhausted.get(), rig.counters().open.get()), (2, 1));
        rig.world().set_room(clients[0], usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(clients[0]), [Seen::Binary(40_000)]);
    });
}

#[test]
fn input_that_finds_no_buffer_closes_with_1013() {
    let limits = Limits { buffers: 2_000, ..limits() };
    play(limits, |rig| {
        let client = rig.open();
        // A frame of 4,000 bytes, of which 3,000 have arrived.
        let mut start = vec![0x82, 0xfe, 0x0f, 0xa0, 0, 0, 0, 0];
        start.resize(3_008, 0);
        rig.send(client, &start);
        rig.settle();
        assert_eq!(rig.log().last_close(), "buffers exhausted");
        assert_eq!(rig.frames(client), [Seen::Close(1013)]);
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn answers_to_pings_do_not_pile_up_behind_mail() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.world().set_room(client, 100);
        // Mail is queued for the end of the iteration, and later output joins it: Pongs, which no limit counts.
        let mut bytes = Vec::new();
        while bytes.len() < 8 * READ_BUFFER {
            encode::frame(&mut bytes, Opcode::Ping, &[0; 125], Some([1; 4]));
        }
        rig.send(client, &bytes);
        rig.handle.send(id, Message::Text("hi")).unwrap();
        rig.settle();
        assert!(
            rig.worker.sessions.streams.outbox_len(ConnIndex::new(0)) <= 2 * READ_BUFFER,
            "{}",
            rig.worker.sessions.streams.outbox_len(ConnIndex::new(0))
        );
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client).len(), 1 + bytes.len() / 131);
    });
}

#[test]
fn a_lost_peer_is_noticed_by_writing() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.handle.broadcast(Message::Text("anyone?")).unwrap();
        rig.world().client_resets(client);
        rig.settle();
        assert_eq!(rig.log().last_close(), "lost");
        assert_eq!((rig.counters().lost.get(), rig.world().held()), (1, 0));
    });
}
#[test]
fn a_message_from_another_thread_and_a_reply_leave_in_one_call() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        for text in ["one", "two"] {
            rig.handle.send(id, Message::Text(text)).unwrap();
        }
        rig.send_text(client, "three");
        let before = rig.sends(client);
        rig.settle();
        assert_eq!(rig.frames(client), ["one", "two", "three"].map(|text| Seen::Text(text.into())));
        assert_eq!(rig.sends(client) - before, 1);
        assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0);
    });
}

#[test]
fn messages_of_other_threads_count_towards_the_limits_of_what_waits() {
    let short = Limits { buffers: 3_000, ..limits() };
    play(short, |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.world().set_room(client, 0);
        for _ in 0..3 {
            rig.handle.send(id, Message::Binary(&[0; 900])).unwrap();
        }
        rig.settle();
        // Without a buffer for another copy, the message itself is kept.
        assert!(
            rig.worker.sessions.streams.pool.used() >= 1_800
                && rig.worker.sessions.streams.pool.backlog() >= 900
        );
        assert_eq!(rig.counters().open.get(), 1);
    });
    let long = Limits { backlog: 100_000, ..limits() };
    play(long, |rig| {
        let clients = [rig.open(), rig.open()];
        let ids = rig.log().opened.clone();
        for (client, id) in clients.into_iter().zip(ids) {
            rig.world().set_room(client, 0);
            rig.handle.send(id, Message::Binary(&[0; 60_000])).unwrap();
            rig.settle();
        }
        assert_eq!(rig.counters().outbox_overflows.get(), 1);
        assert!(
            rig.worker.sessions.streams.pool.used() < 1_024 * 2
                && rig.worker.sessions.streams.pool.backlog() >= 60_000
        );
    });
}

#[test]
fn without_buffers_a_message_leaves_if_the_kernel_takes_it() {
    let limits = Limits { buffers: 100, ..limits() };
    play(limits, |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        for text in ["one", "two"] {
            rig.handle.send(id, Message::Text(text)).unwrap();
        }
        rig.settle();
        assert_eq!(rig.frames(client), ["one", "two"].map(|text| Seen::Text(text.into())));
        assert_eq!(rig.worker.sessions.streams.table.sides_len(), 0);
    });
}
