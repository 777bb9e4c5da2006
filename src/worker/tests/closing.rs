//! Tests of the closing handshake from both sides, and of peers that do not take part in it.

use super::rig::{Client, Rig, Seen, limits, millis, play, secs};
use crate::simulation::connection::Ending;
use crate::ws::{CloseCode, Opcode};

#[test]
fn a_close_is_answered_with_its_code_and_the_stream_ends() {
    play(limits(), |rig| {
        for (body, code) in [(&[0x0f, 0xa0][..], 4000), (&[], 1005)] {
            let client = rig.open();
            rig.send_text(client, "last");
            rig.send_frame(client, Opcode::Close, body);
            rig.settle();
            assert_eq!(rig.frames(client), [Seen::Text("last".into()), Seen::Close(code)]);
            assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
            assert_eq!(rig.log().last_close(), format!("by peer {code}"));
        }
        assert_eq!(rig.counters().closed_by_peer.get(), 2);
    });
}

#[test]
fn what_follows_a_close_is_ignored_and_makes_no_reset() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_close(client, CloseCode::NORMAL);
        rig.send_text(client, "and another thing");
        rig.settle();
        rig.send_text(client, "and another");
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Close(1000)]);
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 1));
        assert!(rig.log().messages.is_empty());
        rig.world().client_ends(client);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
    });
}

#[test]
fn a_close_of_ours_waits_for_the_peers() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "close");
        rig.send_text(client, "too late");
        rig.settle();
        assert_eq!((rig.frames(client), rig.ending(client)), (vec![Seen::Close(1000)], Ending::Open));
        assert_eq!(rig.log().messages, ["close"]);
        rig.send_text(client, "still too late");
        rig.send_frame(client, Opcode::Ping, b"?");
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Pong(b"?".into())], "no message follows a Close");
        rig.send_frame(client, Opcode::Ping, b"!");
        rig.send_close(client, CloseCode::NORMAL);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
        assert_eq!(rig.frames(client), [Seen::Pong(b"!".into())]);
        assert_eq!(rig.log().last_close(), "by us 1000");
        assert_eq!(rig.counters().close_timeouts.get(), 0);
    });
}

#[test]
fn a_peer_has_its_time_to_close_and_no_more() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "close");
        rig.settle();
        for _ in 0..49 {
            rig.run_for(millis(100));
            rig.send_text(client, "bytes do not buy time");
        }
        assert_eq!(rig.world().held(), 1);
        rig.run_for(millis(200));
        assert_eq!((rig.counters().close_timeouts.get(), rig.world().held()), (1, 0));
    });
}

#[test]
fn a_close_waits_behind_output_and_then_ends_the_stream() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 100);
        rig.send_text(client, "big 1000");
        rig.send_close(client, CloseCode::NORMAL);
        rig.settle();
        assert_eq!(rig.ending(client), Ending::Open);
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Binary(1000), Seen::Close(1000)]);
        assert_eq!(rig.ending(client), Ending::Clean);
    });
}

#[test]
fn a_fault_is_answered_with_its_code_and_nothing_more_is_read() {
    for (bytes, code) in [
        (&b"\xff\xff"[..], 1002),
        (b"\x81\x02hi", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0", 1009),
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),
    ] {
        play(limits(), |rig| {
            let (client, other) = (rig.open(), rig.open());
            rig.send_text(client, "before");
            rig.send(client, bytes);
            rig.send_text(client, "after");
            rig.settle();
            assert_eq!(rig.frames(client), [Seen::Text("before".into()), Seen::Close(code)]);
            assert_eq!(rig.ending(client), Ending::Clean);
            assert_eq!(rig.log().last_close(), format!("failed {code}"));
            rig.send_text(other, "unharmed");
            rig.run_for(secs(6));
            assert_eq!(rig.frames(other), [Seen::Text("unharmed".into())]);
            assert_eq!((rig.world().held(), rig.counters().close_timeouts.get()), (1, 1));
        });
    }
}

#[test]
fn a_fault_after_our_close_does_not_overtake_it() {
    for fault in [&b"\xff\xff"[..], b"\x81\x02hi", b"\x88\x81\0\0\0\0\x03"] {
        play(limits(), |rig| {
            let client = rig.open();
            rig.send_text(client, "close");
            // This is more than one read takes: closing a socket with unread input resets the connection.
            rig.send(client, &[fault, &[b'x'; 100_000]].concat());
            rig.settle();
            assert_eq!((rig.frames(client), rig.ending(client)), (vec![Seen::Close(1000)], Ending::Clean));
            assert_eq!((rig.world().held(), rig.log().last_close()), (1, "by us 1000"));
            rig.world().client_ends(client);
            rig.settle();
            assert_eq!((rig.world().held(), rig.counters().close_timeouts.get()), (0, 0));
        });
    }
}

#[test]
fn who_breaks_the_protocol_after_our_close_keeps_the_time_it_has() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "close");
        rig.run_for(secs(4));
        rig.send(client, b"\xff\xff");
        rig.run_for(millis(900));
        assert_eq!(rig.world().held(), 1);
        rig.run_for(millis(200));
        assert_eq!((rig.world().held(), rig.counters().close_timeouts.get()), (0, 1));
    });
}

#[test]
fn an_end_without_a_close_is_a_loss() {
    for reset in [false, true] {
        play(limits(), |rig| {
            let client = rig.open();
            if reset {
                rig.world().client_resets(client);
            } else {
                rig.send_text(client, "bye");
                rig.world().client_ends(client);
            }
            rig.settle();
            assert_eq!(rig.log().last_close(), "lost");
            assert_eq!((rig.counters().lost.get(), rig.world().held()), (1, 0));
        });
    }
}

#[test]
fn half_a_message_goes_with_its_connection() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send(client, b"\x82\xfe\x0f\xa0\0\0\0\0half");
        rig.settle();
        assert!(rig.worker.sessions.streams.pool.used() > 0);
        rig.world().client_resets(client);
        rig.settle();
        assert_eq!(
            (rig.worker.sessions.streams.pool.used(), rig.worker.sessions.streams.table.sides_len()),
            (0, 0)
        );
    });
}

#[test]
fn a_pong_before_a_fault_after_our_close_is_not_sent_behind_the_end() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_text(client, "close");
        rig.send_frame(client, Opcode::Ping, b"?");
        rig.send(client, b"\xff\xff");
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Close(1000), Seen::Pong(b"?".into())]);
        assert_eq!((rig.ending(client), rig.log().last_close()), (Ending::Clean, "by us 1000"));
    });
}

/// Opens a client with a system that takes 200,000 bytes, half of which precede the server's Close.
fn closed_behind_output(rig: &mut Rig) -> Client {
    let client = rig.open();
    rig.world().connections[client].send_buffer = 200_000;
    rig.world().set_room(client, 200_000);
    rig.send_text(client, "big 100000");
    rig.send_text(client, "close");
    rig.settle();
    assert_eq!(rig.log().last_close(), "by us 1000");
    client
}

#[test]
fn a_close_behind_output_that_is_read_steadily_is_not_late() {
    play(limits(), |rig| {
        let client = closed_behind_output(rig);
        for second in 0..99 {
            rig.run_for(secs(1));
            rig.world().client_reads(client, 1_000);
            assert_eq!(rig.world().held(), 1, "after {second} s");
        }
        let left = rig.world().connections[client].outbound.len();
        rig.world().client_reads(client, left);
        rig.run_for(secs(1));
        rig.send_close(client, CloseCode::NORMAL);
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
        assert_eq!(rig.counters().close_timeouts.get(), 0);
    });
}

#[test]
fn a_close_that_waits_in_an_outbox_which_is_read_steadily_is_not_late() {
    for closes_itself in [false, true] {
        play(limits(), |rig| {
            let client = rig.open();
            rig.world().connections[client].send_buffer = 3_000;
            rig.world().set_room(client, 3_000);
            rig.send_text(client, "big 100000");
            if closes_itself {
                rig.send_close(client, CloseCode::NORMAL);
            } else {
                rig.send_text(client, "close");
            }
            rig.settle();
            let mut read = 0;
            while read < 100_000 {
                rig.run_for(secs(1));
                read += rig.world().client_reads(client, 1_000);
                assert_eq!(rig.counters().close_timeouts.get(), 0, "{read} bytes are read");
            }
            rig.run_for(secs(1));
            rig.world().client_reads(client, 3_000);
            rig.send_close(client, CloseCode::NORMAL);
            rig.world().client_ends(client);
            rig.settle();
            assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
            assert_eq!(rig.counters().close_timeouts.get(), 0);
        });
    }
}

#[test]
fn who_takes_a_byte_of_what_is_before_a_close_now_and_then_has_its_time_and_no_more() {
    for each_second in [0, 1, 850] {
        play(limits(), |rig| {
            let client = closed_behind_output(rig);
            for _ in 0..12 {
                rig.run_for(secs(1));
                rig.world().client_reads(client, each_second);
            }
            assert_eq!((rig.world().held(), rig.counters().close_timeouts.get()), (0, 1), "{each_second}");
        });
    }
}

#[test]
fn who_has_a_close_and_does_not_answer_has_its_time_and_no_more() {
    play(limits(), |rig| {
        let client = closed_behind_output(rig);
        for _ in 0..16 {
            rig.run_for(secs(1));
            rig.world().client_reads(client, 12_000);
        }
        assert_eq!((rig.world().held(), rig.counters().close_timeouts.get()), (0, 1));
    });
}
